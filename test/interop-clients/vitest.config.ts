import { defineConfig } from 'vitest/config'

const config: ReturnType<typeof defineConfig> = defineConfig({
  test: { include: ['test/interop-clients/*.interop.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
})

export default config
