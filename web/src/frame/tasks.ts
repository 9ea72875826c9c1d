// The operations that the frame shows: those that run, and those that ended last.
import { listQuery } from '@/lists'

/** runningTasks are the operations under way; notices of the feed keep them fresh. */
export const runningTasks = listQuery('/api/v1/operations', {
  limit: 50,
  sort: '-created_at',
  filter: ['state=running'],
})

/** lastTasks are the newest operations in any state. */
export const lastTasks = listQuery('/api/v1/operations', { limit: 30, sort: '-created_at' })
