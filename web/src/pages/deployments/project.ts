// Which project's deployments somebody looks at; kept for the next visit.
import { useQuery } from '@tanstack/react-query'
import type { Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { listQuery } from '@/lists'

export type Project = Schemas['Project']

const key = 'atoll.project'

/** remembered is the project that was chosen last. */
export const remembered = () => localStorage.getItem(key) ?? ''

/** remember keeps the choice; an empty one forgets it. */
export const remember = (id: string) => (id ? localStorage.setItem(key, id) : localStorage.removeItem(key))

const projectsQuery = listQuery('/api/v1/projects', { limit: 500, sort: 'name' })

/** loadProjects reads the projects that the caller may see. */
export const loadProjects = async () => (await queries.ensureQueryData(projectsQuery)).items

/** useProjects are the projects that the caller may see. */
export const useProjects = (): Project[] => useQuery(projectsQuery).data?.items ?? []
