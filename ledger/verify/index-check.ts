/** Whether the index by which entries are found says the same as the log: one that was changed hides entries from a query, though they are all there. */
import { existsSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type LogAddress, openSource } from './sources.ts'

/**
 * Holds every row of an index against the entry it stands for. The index may be behind the log: queries catch up.
 *
 * @returns what differs first; null when nothing does, or there is no index
 */
export async function checkIndex(log: LogAddress, indexPath: string): Promise<string | null> {
  if (!existsSync(indexPath)) return null
  if (!statSync(indexPath).isFile()) return 'the index is no file'
  const source = await openSource(log)
  let index: DatabaseSync | null = null
  try {
    index = new DatabaseSync(indexPath, { readOnly: true, timeout: 2000 })
    index.exec('PRAGMA trusted_schema = OFF; BEGIN')
    // what acts on its own could hide the next entries as they are taken in
    const active = index.prepare("SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1").get()
    if (active !== undefined) return `the index has ${String(active.name)}, which no index has`
    const size = Number(index.prepare('SELECT size FROM progress WHERE id = 0').get()?.size ?? 0)
    const outside = index.prepare('SELECT count(*) AS rows FROM entry WHERE idx < 0 OR idx >= ?').get(size)
    if (Number(outside?.rows) > 0) return 'the index has entries that it should not know yet'
    // ORDER BY the rowid reads the table itself; what an index of the table leaves out shows in its own check
    const rows = index
      .prepare('SELECT idx, trace, parent, component, event, call_id AS callId, time_ms AS time FROM entry ORDER BY idx')
      .iterate()
    if (size > source.end()) return `the index knows ${size} entries, the log has ${source.end()}`
    let at = 0
    for await (const { first, data } of source.runs(0, size)) {
      let number = first
      for (let from = 0; from < data.length && number < size; number++) {
        const end = from + 2 + ((data[from]! << 8) | data[from + 1]!)
        const entry = JSON.parse(Buffer.from(data.buffer, data.byteOffset + from + 2, end - from - 2).toString('utf8'))
        const callId: unknown = entry.payload?.callId
        const expected = [number, entry.trace_id, entry.parent_trace_id ?? null, entry.component, entry.event]
        const { value: row } = rows.next() as { value?: Record<string, unknown> }
        const found = [row?.idx, row?.trace, row?.parent, row?.component, row?.event]
        const sameCall = row?.callId === (typeof callId === 'string' ? callId.slice(0, 256) : null)
        if (!sameCall || row?.time !== Date.parse(entry.time) || found.some((value, i) => value !== expected[i])) {
          return `entry ${number} is not found where it should be`
        }
        at = number + 1
        from = end
      }
    }
    if (at < size) return `the index knows ${size} entries, the log has ${at}`
    const sound = index.prepare('PRAGMA integrity_check(1)').get()?.integrity_check
    return sound === 'ok' ? null : `the index is damaged: ${String(sound)}`
  } catch (error) {
    return `the index cannot be read: ${error instanceof Error ? error.message : String(error)}`
  } finally {
    index?.close()
    source.close()
  }
}
