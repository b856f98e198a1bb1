import { defineConfig } from 'vitest/config'

/** Projects that drive an engine run one file at a time: two cores, one Docker engine, one set of limits to test. */
const engineProject = { fileParallelism: false, testTimeout: 60_000, hookTimeout: 120_000 }

export default defineConfig({
  test: {
    globalSetup: ['tests/setup/global.ts'],
    passWithNoTests: true,
    restoreMocks: true,
    projects: [
      { extends: true, test: { name: 'unit', include: ['tests/unit/**/*.test.ts'], testTimeout: 10_000 } },
      {
        extends: true,
        test: { name: 'drivers', include: ['tests/drivers/**/*.test.ts'], fileParallelism: false, testTimeout: 30_000 },
      },
      { extends: true, test: { name: 'http', include: ['tests/http/**/*.test.ts'], ...engineProject } },
      { extends: true, test: { name: 'contract', include: ['tests/contract/**/*.test.ts'], ...engineProject } },
      { extends: true, test: { name: 'docker', include: ['tests/docker/**/*.test.ts'], ...engineProject } },
      {
        extends: true,
        test: { name: 'clients', include: ['tests/clients/**/*.test.ts'], ...engineProject, testTimeout: 300_000 },
      },
    ],
  },
})
