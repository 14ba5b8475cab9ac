import base from './ava.config.js'
import { realTime } from './ava.real-time.config.js'
import { servers } from './ava.server.config.js'

export default { ...base, files: [...base.files, ...[...realTime, ...servers].map((files) => `!${files}`)] }
