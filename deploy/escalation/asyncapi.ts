/**
 * The stream of escalations as AsyncAPI 3, made of the schemas of its events.
 *
 * @see AsyncAPI 3.0.0
 */
import { z } from 'zod'
import { escalationEvents } from '#escalate'

const schemaOf = (schema: z.ZodType): Readonly<Record<string, unknown>> => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: 'draft-07', io: 'output', reused: 'inline' })
  return rest
}

const summaries: Readonly<Record<keyof typeof escalationEvents, string>> = {
  requested: 'An escalation was asked for and recorded',
  calling: 'An expert is about to be called: IF.guard is asked, then the INVITE goes out',
  trying: 'The edge has taken the INVITE (100)',
  ringing: 'The expert’s phone rings (180) or has something to hear before the answer (183)',
  'branch-failed': 'One call was refused, not answered, or overtaken by another',
  connected: 'The expert is in the conference',
  result: 'It is known what became of a leg of the escalation',
  bridge: 'A bridge of the call was skipped, or has changed its state',
  'bridge-retried': 'A bridge that had failed is opened anew, on the word of an operator',
  'hung-up': 'A connected call is over',
  ended: 'Every call of the escalation is over'
}

export function asyncApiDocument(): Readonly<Record<string, unknown>> {
  const names = Object.keys(escalationEvents) as (keyof typeof escalationEvents)[]
  const messages = Object.fromEntries(
    names.map((name) => [
      name,
      { name, title: name, summary: summaries[name], contentType: 'application/json', payload: schemaOf(escalationEvents[name]) }
    ])
  )
  const referred = Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }]))
  const channel = (address: string, title: string, more: object = {}) => ({ address, title, messages: referred, ...more })
  const receive = (name: string, summary: string) => ({
    action: 'send',
    channel: { $ref: `#/channels/${name}` },
    summary,
    messages: names.map((message) => ({ $ref: `#/channels/${name}/messages/${message}` }))
  })
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'IF.ESCALATE events',
      version: '1.0.0',
      description:
        'Server-sent events (WHATWG HTML §9.2) over HTTP with a bearer token of the role escalator. `event` is the name of the message, `data` its payload, `id` the number to go on behind with Last-Event-ID.'
    },
    defaultContentType: 'application/json',
    channels: {
      escalation: channel('/v1/escalations/{id}/events', 'One escalation', {
        parameters: { id: { description: 'Id of the escalation, 32 hex digits' } }
      }),
      escalations: channel('/v1/escalation-events', 'All escalations')
    },
    operations: {
      followEscalation: receive('escalation', 'What happens in one escalation, from its beginning to its end'),
      followEscalations: receive('escalations', 'What happens in all escalations')
    },
    components: { messages }
  }
}
