/**
 * The kernel: what every gateway, plugin and store shares. It knows no protocol, opens no socket and imports nothing of the project.
 *
 * Gateways never import each other; they meet in the contracts that are declared here (call context, witness, guard, conference).
 */
export * from './bridge-session.ts'
export * from './bridge-states.ts'
export * from './call-bridge.ts'
export * from './call-out.ts'
export * from './clock.ts'
export * from './conference.ts'
export * from './context.ts'
export * from './errors.ts'
export * from './files.ts'
export * from './guard.ts'
export * from './hazards.ts'
export * from './json.ts'
export * from './log.ts'
export * from './machine.ts'
export * from './page-bundle.ts'
export * from './pictures.ts'
export * from './sha256-blocks.ts'
export * from './tls-files.ts'
export * from './trace.ts'
export * from './witness.ts'
