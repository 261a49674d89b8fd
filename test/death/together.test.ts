/** Jobs that die together in a worker. */
import { testDeaths } from './matrix.ts'

testDeaths(100)
