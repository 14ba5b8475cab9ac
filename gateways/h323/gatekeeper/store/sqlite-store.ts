import { DatabaseSync } from 'node:sqlite'
import { keepDatabasePrivate } from '#kernel'
import type { Registration } from '../tables/registrations.ts'
import type { RegistrationStore } from './store.ts'

const always = Number.MAX_SAFE_INTEGER

/**
 * Registrations in one SQLite file, for one gatekeeper. `:memory:` keeps them for the life of the process.
 *
 * @remarks Synchronous NORMAL: a power cut may take the last registrations back, and their endpoints register again.
 */
export function openSqliteStore(path: string): RegistrationStore {
  keepDatabasePrivate(path)
  const db = new DatabaseSync(path)
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS registration (endpoint TEXT PRIMARY KEY, expires INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS alias (alias TEXT PRIMARY KEY, endpoint TEXT NOT NULL REFERENCES registration ON DELETE CASCADE) STRICT;
    CREATE INDEX IF NOT EXISTS alias_of_endpoint ON alias (endpoint);
    CREATE INDEX IF NOT EXISTS registration_by_end ON registration (expires);
    PRAGMA foreign_keys = ON;
  `)
  const expire = db.prepare('DELETE FROM registration WHERE expires <= ?')
  const holder = db.prepare('SELECT endpoint FROM alias WHERE alias = ?')
  const put = db.prepare('INSERT INTO registration VALUES (?, ?, ?)')
  const putAlias = db.prepare('INSERT INTO alias VALUES (?, ?)')
  const remove = db.prepare('DELETE FROM registration WHERE endpoint = ? AND expires <= ?')
  const renew = db.prepare('UPDATE registration SET expires = ? WHERE endpoint = ?')
  const list = db.prepare('SELECT value, expires FROM registration ORDER BY rowid')

  return {
    async claim(registration, now) {
      const { endpointId, aliases, expiresAt } = registration
      db.exec('BEGIN IMMEDIATE')
      try {
        expire.run(now)
        const taken = aliases.filter((alias) => {
          const held = holder.get(alias) as { endpoint: string } | undefined
          return held !== undefined && held.endpoint !== endpointId
        })
        if (taken.length === 0) {
          remove.run(endpointId, always)
          put.run(endpointId, expiresAt, JSON.stringify(registration))
          for (const alias of aliases) putAlias.run(alias, endpointId)
        }
        db.exec('COMMIT')
        return taken.length === 0 ? { state: 'claimed' } : { state: 'taken', aliases: taken }
      } catch (error) {
        db.exec('ROLLBACK')
        throw error
      }
    },
    async renew(endpointId, expiresAt) {
      renew.run(expiresAt, endpointId)
    },
    async forget(endpointId, expiredAt = always) {
      remove.run(endpointId, expiredAt)
    },
    async load(now) {
      expire.run(now)
      const rows = list.all() as { value: string; expires: number }[]
      return rows.map(({ value, expires }) => ({ ...(JSON.parse(value) as Registration), expiresAt: expires }))
    },
    // one file serves one gatekeeper
    async watch() {},
    async close() {
      db.close()
    }
  }
}
