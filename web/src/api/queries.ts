// The query cache: one for the page's life, kept fresh by the feed and by nothing else.
import { QueryClient } from '@tanstack/react-query'
import { ApiError, Unreachable } from './client'

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: Number.POSITIVE_INFINITY, // the feed says what changed
      gcTime: 5 * 60_000,
      refetchOnWindowFocus: false,
      // A restarting controller is back in a moment; what it refuses it will refuse again.
      retry: (n, error) => (error instanceof Unreachable || isBusy(error)) && n < 5,
      retryDelay: (n) => Math.min(250 * 2 ** n, 4000),
    },
  },
})

/** readAgain reads the answers of a path anew, where no event tells of the change. */
export const readAgain = (path: string) => queries.invalidateQueries({ predicate: (q) => q.queryKey[1] === path })

const isBusy = (e: unknown) => e instanceof ApiError && (e.problem.status === 503 || e.problem.status === 429)
