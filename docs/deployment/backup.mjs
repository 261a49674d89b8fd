// node backup.mjs DATABASE COPY: a copy of the database in one piece, while the daemon runs.
import { DatabaseSync } from 'node:sqlite'

const [database, copy] = process.argv.slice(2)
const db = new DatabaseSync(database, { readOnly: true })
db.prepare('VACUUM INTO ?').run(copy)
db.close()
