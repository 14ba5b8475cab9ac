import base from './ava.config.js'

/** What takes minutes: run by name, see the README. */
export default { ...base, files: ['deploy/testing/three-bridges.soak.ts'], concurrency: 1, timeout: '6m' }
