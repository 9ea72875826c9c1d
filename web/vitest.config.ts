import { mergeConfig } from 'vite'
import { defineConfig } from 'vitest/config'
import portal from './vite.config.ts'

export default mergeConfig(portal, defineConfig({ test: { include: ['src/**/*.test.ts'] } }))
