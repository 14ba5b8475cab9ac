/**
 * The kernel: what every gateway, plugin and store shares. It knows no protocol, opens no socket and imports nothing of the project.
 *
 * Gateways never import each other; they meet in the contracts that are declared here (call context, witness, guard, conference).
 */

export * from './clock.ts'
export * from './context.ts'
export * from './contracts/bridge-session.ts'
export * from './contracts/bridge-states.ts'
export * from './contracts/call-bridge.ts'
export * from './contracts/call-out.ts'
export * from './contracts/conference.ts'
export * from './contracts/guard.ts'
export * from './contracts/hazards.ts'
export * from './contracts/pictures.ts'
export * from './contracts/witness.ts'
export * from './errors.ts'
export * from './files/files.ts'
export * from './files/page-bundle.ts'
export * from './files/sha256-blocks.ts'
export * from './files/tls-files.ts'
export * from './json.ts'
export * from './log.ts'
export * from './machine.ts'
export * from './process-start.ts'
export * from './trace.ts'
