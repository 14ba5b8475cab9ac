import base from './ava.config.js'
import { realTime } from './ava.real-time.config.js'

export default { ...base, files: [...base.files, ...realTime.map((files) => `!${files}`)] }
