export default {
  files: ['**/*.test.ts', '!node_modules/**', '!var/**'],
  extensions: ['ts'],
  nodeArguments: ['--disable-warning=ExperimentalWarning'],
  workerThreads: false,
  concurrency: 2,
  timeout: '3m'
}
