import { defineConfig } from '@playwright/test'
import tests from './playwright.config.ts'

// Measurements of the portal, one after the other, and without a trace, which slows the page: npm run bench.
export default defineConfig(tests, {
  testDir: 'bench',
  testMatch: '*.bench.ts',
  workers: 1,
  timeout: 300_000,
  use: { trace: 'off' },
})
