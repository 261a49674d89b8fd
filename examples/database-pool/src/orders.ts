import { task } from 'ztask'
import { database } from './database.js'

/** Marks an order as shipped. */
export const ship = task(async (order: string) => {
  await database().query('shipped', [order])
})
