import { defineConfig } from '@playwright/test'
import tests from './playwright.config.ts'

// What a new user does after `make demo`, in the order in which it is done: npm run demo.
export default defineConfig(tests, {
  testDir: 'demo',
  globalSetup: './demo/demo.ts',
  fullyParallel: false,
  workers: 1,
  retries: 0, // what one part did is there in the next, and a second time
  timeout: 180_000, // machines boot under emulation
  expect: { timeout: 60_000 },
  use: { storageState: 'test-results/user.json' },
})
