import { readFile, writeFile } from 'node:fs/promises'
import { errorCode, messageOf } from '#kernel'
import { decodeWav, encodeWav } from '#media'
import { agentSampleRateHz, type CouncilAgent, joinCouncil } from '#webrtc/agent'
import type { Run } from '../../command.ts'
import { UsageError } from '../../line/arguments.ts'
import { exitCodes } from '../../line/exit-codes.ts'
import { printable } from '../../show/output.ts'

const mostSeconds = 86_400
const mostHeardSeconds = 3600

export const run: Run = async (args, output) => {
  const [sayFile, hearFile, folder, shareFile, ca] = ['say', 'hear', 'evidence', 'share', 'ca'].map((name) => args.value(name))
  const seconds = args.wholeNumber('seconds', 1, mostSeconds)
  const said = sayFile === undefined ? null : decodeWav(await readFile(sayFile))
  if (said !== null && said.sampleRateHz !== agentSampleRateHz)
    throw new UsageError(`--say: expected a WAV file of ${agentSampleRateHz} Hz, got ${said.sampleRateHz}`)
  if (shareFile !== undefined && folder === undefined) throw new UsageError('--share goes with --evidence')
  const agent = await joinCouncil({
    link: args.operands[0]!,
    sound: said !== null || hearFile !== undefined,
    ...(folder === undefined ? {} : { evidence: folder }),
    ...(ca === undefined ? {} : { ca: await readFile(ca, 'utf8') })
  })
  const tell: Tell = (type, facts, text) => (output.json ? output.document({ type, ...facts }) : output.line(printable(text)))
  await tell(
    'joined',
    { participant: agent.participant, conference: agent.conference, votes: agent.votes },
    `joined ${agent.conference} as ${agent.participant}`
  )
  const over = ended(agent, tell)
  // nothing else is asked for: it leaves when it has done that
  const isBrief = seconds === undefined && hearFile === undefined
  if (shareFile !== undefined)
    shareWith(agent, shareFile, tell).then(() => {
      if (isBrief && said === null) void agent.leave()
    })
  const message = args.value('send')
  if (message !== undefined) agent.send(message, args.value('to'))
  const heard = hearFile === undefined ? Promise.resolve([]) : listen(agent)
  const stop = () => void agent.leave()
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const timer = seconds === undefined ? null : setTimeout(stop, seconds * 1000)
  try {
    if (said !== null) {
      await agent.sound!.say([said.samples])
      if (isBrief && shareFile === undefined) await agent.leave()
    }
    const code = await over
    if (hearFile !== undefined)
      await writeFile(hearFile, encodeWav({ samples: joined(await heard), sampleRateHz: agentSampleRateHz }))
    return code === 'left' ? exitCodes.ok : exitCodes.failure
  } finally {
    if (timer !== null) clearTimeout(timer)
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

type Tell = (type: string, facts: object, text: string) => Promise<void>

/** Shares a file as soon as there is a call to share it in. */
async function shareWith(agent: CouncilAgent, path: string, tell: Tell): Promise<void> {
  const open = Promise.withResolvers<void>()
  agent.on('evidenceState', (_, state) => state === 'ACTIVE' && open.resolve())
  await open.promise
  try {
    const { call, id } = await agent.share!(path)
    await tell('shared', { call, id, path }, `shared ${path} in ${call}`)
  } catch (error) {
    await tell('notice', { of: 'share', code: errorCode(error) }, `share: ${messageOf(error)}`)
  }
}

function ended(agent: CouncilAgent, tell: Tell): Promise<string> {
  agent.on('message', ({ from, to, body }) => void tell('message', { from, to, body }, `${from}: ${body}`))
  agent.on('evidence', (file) => {
    void tell('evidence', file, `evidence from ${file.by}: ${file.name}, ${file.bytes} octets, in ${file.path}`)
  })
  agent.on('notice', (of, code) => void tell('notice', { of, code }, `${of}: ${code}`))
  agent.on('roster', (members) => {
    const names = members.map(({ participant }) => participant)
    void tell('roster', { members }, `here: ${names.join(', ')}`)
  })
  agent.on('context', (context) => {
    const open = context.motions.filter((motion) => motion.open)
    const motions = open.map(({ title }) => `vote on "${title}"`)
    void tell('context_update', { context }, ['about:', ...context.hazards, ...motions].join(' '))
  })
  return new Promise((resolve) => {
    agent.on('over', (code, reason) => void tell('over', { code, reason }, reason).then(() => resolve(code)))
  })
}

async function listen(agent: CouncilAgent): Promise<Int16Array[]> {
  const pieces: Int16Array[] = []
  let samples = 0
  for await (const piece of agent.sound!.heard()) {
    if (samples >= mostHeardSeconds * agentSampleRateHz) break
    pieces.push(piece)
    samples += piece.length
  }
  return pieces
}

function joined(pieces: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}
