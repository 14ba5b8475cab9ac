/** What a phone of a test hears. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type RtpPhone, toneLevel } from '#media'

/** How loud a tone is in the last half second of what was heard since this was last asked, dBFS. */
export const level = (phone: RtpPhone, frequencyHz: number, rateHz = 8000): number =>
  toneLevel(phone.takeHeard().subarray(-rateHz / 2), rateHz, frequencyHz)

/** Whether a tone is heard within some seconds. */
export async function hears(phone: RtpPhone, frequencyHz: number, rateHz = 8000): Promise<boolean> {
  phone.takeHeard()
  for (let tries = 0; tries < 24; tries++) {
    await sleep(300)
    if (level(phone, frequencyHz, rateHz) > -25) return true
  }
  return false
}
