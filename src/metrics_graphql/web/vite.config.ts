import react from "@vitejs/plugin-react";
import { compression, defineAlgorithm } from "vite-plugin-compression2";
import { defineConfig } from "vite";

import { allDocuments } from "./dashboard/metricsQuery";
import { EXAMPLES, ORGANIZATION_DOCUMENT } from "./explorer/examples";

// URLs are relative, so that the pages work below any path prefix.
export default defineConfig({
  base: "./",
  logLevel: "warn",
  plugins: [
    react(),
    {
      // The documents of both pages, which the server always trusts.
      name: "documents",
      generateBundle() {
        const source = JSON.stringify([...allDocuments(), ORGANIZATION_DOCUMENT, ...EXAMPLES], null, 2);
        this.emitFile({ type: "asset", fileName: "documents.json", source });
      },
    },
    compression({
      algorithms: [defineAlgorithm("brotliCompress"), defineAlgorithm("gzip", { level: 9 })],
      include: /\.(js|css|svg|ttf)$/,
      threshold: 1024,
    }),
  ],
  build: {
    target: "es2022",
    // The Content-Security-Policy allows no data: URLs for scripts and workers.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      input: ["index.html", "explorer.html"],
      // GraphiQL has "use no memo" directives for React Compiler, which this build does not use.
      onwarn: (warning, warn) => warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning),
      checks: { pluginTimings: false },
    },
  },
  worker: { format: "es" },
});
