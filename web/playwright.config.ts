import { defineConfig } from '@playwright/test'

// Tests in Debian's Chromium against a real controller with simulated nodes, which
// e2e/controller.ts starts once. They are in files by page, and each makes what it
// needs under a name of its own, so that they run side by side.
export default defineConfig({
  testDir: 'e2e',
  globalSetup: './e2e/controller.ts',
  fullyParallel: true,
  workers: 2,
  // A shared machine may stall for seconds: what passes the second time is reported as flaky.
  retries: process.env.CI ? 1 : 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  forbidOnly: true,
  reporter: [['list'], ['json', { outputFile: 'test-results/report.json' }]],
  use: {
    trace: 'retain-on-failure',
    actionTimeout: 15_000,
    storageState: 'test-results/admin.json',
    viewport: { width: 1280, height: 800 },
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
})
