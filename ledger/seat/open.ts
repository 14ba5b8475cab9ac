import { existsSync, readFileSync } from 'node:fs'
import { InfraFabricError, type Log } from '#kernel'
import { formatAddCheckpoint } from '../log/add-checkpoint.ts'
import { readCosigner } from '../log/cosignature.ts'
import { formatVerifierKey, generateSigningKey, type NoteVerifier, parseCheckpoint } from '../log/note.ts'
import { proveConsistency, type TileReader } from '../log/prover.ts'
import { putNewFile } from '../store/durable-file.ts'
import { answerAddCheckpoint, type SeatAnswer } from './seat.ts'
import { openSeatState } from './seat-state.ts'
import { type SeatServer, serveSeat } from './serve.ts'

export interface SeatSettings {
  /** Name of the witness in its signatures: a domain and a path. */
  readonly name: string
  /** Private key, PEM. */
  readonly keyPath: string
  readonly statePath: string
  /** Make key and memory where they are not there. */
  readonly create: boolean
  readonly logs: () => readonly NoteVerifier[]
  readonly log: Log
}

/** A Guardian's witness. */
export interface Seat {
  /** Public key, for policies. */
  readonly vkey: string
  readonly serve: (address: string, port: number) => Promise<SeatServer>
  /**
   * Answers for a checkpoint that was brought by hand, or fetched from the log.
   *
   * @param tiles of which the proof from the last signed head is made; null when there are none
   * @throws {InfraFabricError} `ledger.checkpoint.malformed`; `ledger.seat.no-proof` when a proof is needed that `tiles` cannot give
   */
  readonly cosign: (checkpoint: string, tiles: TileReader | null) => Promise<SeatAnswer>
  readonly close: () => void
}

function readKey({ keyPath, create, name }: SeatSettings) {
  if (!existsSync(keyPath)) {
    if (!create) throw new InfraFabricError('ledger.key.missing', `${keyPath} is not there`)
    putNewFile(keyPath, generateSigningKey(), 0o600)
  }
  return readCosigner(name, readFileSync(keyPath, 'utf8'))
}

/** @throws {InfraFabricError} `ledger.key.*`, `ledger.seat.state` */
export function openSeat(settings: SeatSettings): Seat {
  const cosigner = readKey(settings)
  const state = openSeatState(settings.statePath, settings.create)
  const config = { state, cosigner, logs: settings.logs, now: () => Date.now(), log: settings.log }
  return {
    vkey: formatVerifierKey(cosigner),
    serve: (address, port) => serveSeat(config, address, port),
    cosign: async (checkpoint, tiles) => {
      const { origin, size } = parseCheckpoint(checkpoint).checkpoint
      const oldSize = state.head(origin)?.size ?? 0
      let proof: readonly Uint8Array[] = []
      if (oldSize > 0 && oldSize < size) {
        if (tiles === null) {
          throw new InfraFabricError(
            'ledger.seat.no-proof',
            `a proof is needed from ${oldSize} entries, which were signed last, to ${size}`
          )
        }
        try {
          proof = await proveConsistency(tiles, oldSize, size)
        } catch (error) {
          throw new InfraFabricError('ledger.seat.no-proof', `the log gives no proof from ${oldSize} to ${size} entries`, {
            cause: error
          })
        }
      }
      return answerAddCheckpoint(config, formatAddCheckpoint({ oldSize, proof, checkpoint }))
    },
    close: state.close
  }
}
