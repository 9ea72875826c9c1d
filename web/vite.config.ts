import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The controller that `npm run dev` shows.
const controller = process.env.ATOLL_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    outDir: 'dist/app', // beside the placeholder, which is checked in
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content policy allows no data: URLs
    chunkSizeWarningLimit: 1200,
    modulePreload: { polyfill: false },
    manifest: true, // for the budget of build/compress.js
  },
  server: {
    proxy: {
      '/api': { target: controller, ws: true, changeOrigin: true, headers: { origin: controller } },
      '/docs': controller,
    },
  },
})
