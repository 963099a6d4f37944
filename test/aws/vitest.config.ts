import { defineConfig } from 'vitest/config'
import base from '../../vitest.config.ts'

/** The long runs against AWS KMS: the whole contract on the fake of this repository, and on moto. */
const config: ReturnType<typeof defineConfig> = defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['test/aws/**/*.test.ts'],
    exclude: [],
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})

export default config
