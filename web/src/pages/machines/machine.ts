// The machine that a page and its tabs are about.
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useParams } from 'react-router'
import { api } from '@/api/client'
import { queries } from '@/api/queries'

const machineQuery = (machine: string) =>
  api.queryOptions('get', '/api/v1/machines/{machine}', { params: { path: { machine } } })

/** loadMachine reads the machine of the address; one that is not there is the page “not found”. */
export const loadMachine = ({ params }: LoaderFunctionArgs) =>
  queries.ensureQueryData(machineQuery(params.machine ?? ''))

/** useMachineQuery is the machine as it was seen last, and the error of the last reading. */
export const useMachineQuery = () => useSuspenseQuery(machineQuery(useParams().machine ?? ''))

/** useMachine is the machine of the page’s address. */
export const useMachine = () => useMachineQuery().data
