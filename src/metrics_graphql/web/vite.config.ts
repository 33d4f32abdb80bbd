import react from "@vitejs/plugin-react";
import { compression, defineAlgorithm } from "vite-plugin-compression2";
import { defineConfig } from "vite";

// Addresses are relative, so that the pages work below any path.
export default defineConfig({
  base: "./",
  logLevel: "warn",
  plugins: [
    react(),
    compression({
      algorithms: [defineAlgorithm("brotliCompress"), defineAlgorithm("gzip", { level: 9 })],
      include: /\.(js|css|svg|ttf)$/,
      threshold: 1024,
    }),
  ],
  build: {
    target: "es2022",
    // A data: address would need a policy that allows more.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 5000,
    rolldownOptions: {
      input: ["index.html", "explorer.html"],
      // GraphiQL tells React's compiler what not to touch; there is no compiler here.
      onwarn: (warning, warn) => warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning),
      checks: { pluginTimings: false },
    },
  },
  worker: { format: "es" },
});
