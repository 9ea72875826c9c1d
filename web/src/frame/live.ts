// The one feed of the page, and what the frame does with its events.
import { Feed } from '@/api/feed'
import { queries } from '@/api/queries'

export const feed = new Feed(queries)
