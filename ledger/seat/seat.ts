/**
 * A witness: it signs a checkpoint when it is consistent with the last one it signed, and answers as the protocol says when it is not.
 *
 * @see C2SP tlog-witness, add-checkpoint
 */
import { errorCode, messageOf } from '#kernel'
import { type AddCheckpoint, parseAddCheckpoint, sizeMediaType } from '../log/add-checkpoint.ts'
import { cosign } from '../log/cosignature.ts'
import { emptyRoot } from '../log/merkle.ts'
import { type CheckpointNote, isSignedBy, type NoteSigner, type NoteVerifier } from '../log/note.ts'
import { checkConsistency } from '../log/proof.ts'
import type { SeatState } from './seat-state.ts'

export interface SeatAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 500
  readonly mediaType: string
  readonly body: string
}

export interface SeatConfig {
  readonly state: SeatState
  /** Key of the witness, for cosignatures. */
  readonly cosigner: NoteSigner
  /** Keys of the logs it watches, asked for anew each time: a log that changes its key has two for a while. */
  readonly logs: () => readonly NoteVerifier[]
  /** Milliseconds since 1970. */
  readonly now: () => number
}

const say = (status: SeatAnswer['status'], words: string): SeatAnswer => ({
  status,
  mediaType: 'text/plain; charset=utf-8',
  body: `${words}\n`
})
const conflict = (size: number): SeatAnswer => ({ status: 409, mediaType: sizeMediaType, body: `${size}\n` })

/** Answers the octets of one add-checkpoint request. Never throws: what the witness's memory cannot keep is not signed. */
export function answerAddCheckpoint(config: SeatConfig, request: string): SeatAnswer {
  let asked: AddCheckpoint & { readonly note: CheckpointNote }
  try {
    asked = parseAddCheckpoint(request)
  } catch (error) {
    return say(400, messageOf(error))
  }
  const { note, oldSize, proof } = asked
  const { origin, size, root } = note.checkpoint
  const keys = config.logs().filter(({ name }) => name === origin)
  if (keys.length === 0) return say(404, 'this log is not watched here')
  if (!keys.some((key) => isSignedBy(note, key))) return say(403, 'no good signature of a known key of the log')
  if (oldSize > size) return say(400, 'the old size is larger than the new one')
  try {
    const last = config.state.head(origin)
    const lastSize = last?.size ?? 0
    if (oldSize !== lastSize) return conflict(lastSize)
    const lastRoot = last === null ? emptyRoot : Buffer.from(last.root, 'base64')
    if (oldSize === size) {
      if (!lastRoot.equals(root)) return conflict(lastSize)
      if (proof.length > 0) return say(422, 'a proof where none is needed')
    } else if (!checkConsistency(oldSize, lastRoot, size, root, proof))
      return say(422, 'the proof does not lead from the old root to the new one')
    // a clock that was set back must not make a later head look like an earlier one
    const timeS = Math.max(Math.floor(config.now() / 1000), last?.timeS ?? 0)
    if (!config.state.advance(origin, last, { size, root: root.toString('base64'), timeS })) {
      return conflict(config.state.head(origin)?.size ?? 0)
    }
    return { status: 200, mediaType: 'text/plain; charset=utf-8', body: cosign(note.body, config.cosigner, timeS) }
  } catch (error) {
    return say(500, errorCode(error))
  }
}
