import { t } from '@/text'
import { ErrorBoundary } from '@/ui/ErrorBoundary'
import { ActButton, RunButton } from './buttons'
import { DeploymentsMacro, EventsMacro, JobsMacro, MachinesMacro, NodesMacro, OperationsMacro } from './lists'
import { LinkMacro, QuotaMacro, StatusMacro } from './objects'

/** Args are a live part's arguments, as the server checked and completed them. */
export type Args = {
  account?: string
  cloudspace?: string
  project?: string
  state?: string
  limit?: number
  role?: string
  location?: string
  kind?: string
  node?: string
  script?: string
  deployment?: string
  machine?: string
  all?: boolean
  label?: string
  op?: string
  target?: string
  name?: string
  args?: Record<string, unknown>
}

const macros: Record<string, (p: { args: Args }) => React.ReactNode> = {
  action: ActButton,
  deployments: DeploymentsMacro,
  events: EventsMacro,
  jobs: JobsMacro,
  link: LinkMacro,
  machines: MachinesMacro,
  nodes: NodesMacro,
  operations: OperationsMacro,
  quota: QuotaMacro,
  run: RunButton,
  status: StatusMacro,
}

/** Macro is one live part of a page. What it shows and does, it does with the reader's rights. */
export function Macro({ name, args }: { name: string; args: Record<string, unknown> }) {
  const Live = macros[name]
  if (!Live) return <em>{t.macro.unknown(name)}</em>
  return (
    <ErrorBoundary>
      <Live args={args as Args} />
    </ErrorBoundary>
  )
}
