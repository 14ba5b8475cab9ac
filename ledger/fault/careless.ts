/**
 * Loaded in front of the process that writes: its database no longer waits for the disk. What it acknowledges a power cut may take back, which shows that
 * the check can fail.
 */
import { DatabaseSync } from 'node:sqlite'

const durable = 'synchronous = FULL'
const exec = DatabaseSync.prototype.exec

DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
  return exec.call(this, sql.replace(durable, 'synchronous = OFF'))
}
