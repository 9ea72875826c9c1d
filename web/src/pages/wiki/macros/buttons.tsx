import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useState } from 'react'
import { client, ifMatch, type Schemas } from '@/api/client'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'
import { Facts } from '@/ui/Facts'
import type { Args } from './Macro'
import { readNamed } from './named'
import { split } from './objects'

const x = t.macro

type Props = { label: string; facts: [string, string | undefined][]; act: () => Promise<unknown> }

// A button of a page. An author chose its label, and may have chosen it badly: what
// it really does is shown before it is done.
function Acting({ label, facts, act }: Props) {
  const [open, setOpen] = useState(false)
  const [state, setState] = useState<{ busy?: boolean; done?: boolean; error?: Error }>({})
  const go = async () => {
    setState({ busy: true })
    await act().then(
      () => setState({ done: true }),
      (error) => setState({ error }),
    )
  }
  const close = () => {
    setOpen(false)
    setState({})
  }
  return (
    <>
      <Button variant="secondary" onClick={() => setOpen(true)}>
        {label}
      </Button>
      {open && (
        <Modal isOpen variant="small" onClose={close} aria-labelledby="acting-title">
          <ModalHeader title={x.really} labelId="acting-title" />
          <ModalBody>
            {state.error && <ErrorView error={state.error} />}
            {state.done ? (
              <p role="status">{x.started}</p>
            ) : (
              <>
                <p>{x.warning}</p>
                <Facts items={facts} />
              </>
            )}
          </ModalBody>
          <ModalFooter>
            {!state.done && (
              <Button onClick={go} isLoading={state.busy} isDisabled={state.busy}>
                {x.confirm}
              </Button>
            )}
            <Button variant="link" onClick={close}>
              {state.done ? t.close : t.cancel}
            </Button>
          </ModalFooter>
        </Modal>
      )}
    </>
  )
}

/** RunButton runs a script on nodes. */
export function RunButton({ args }: { args: Args }) {
  const target = args.node ?? args.role ?? x.all
  const body: Schemas['RunCreate'] = {
    script: args.script,
    ...(args.args && { args: args.args }),
    ...(args.node ? { nodes: [args.node] } : args.role ? { role: args.role as 'compute' } : { all: true }),
    ...(args.location && { location: args.location }),
  }
  return (
    <Acting
      label={args.label || x.run(args.script ?? '')}
      facts={[
        [x.script, args.script],
        [x.target, [target, args.location].filter(Boolean).join(', ')],
        [x.args, args.args && JSON.stringify(args.args, null, 1)],
      ]}
      act={() => client.POST('/api/v1/runs', { body })}
    />
  )
}

/** ActButton does one thing with one object. */
export function ActButton({ args }: { args: Args }) {
  return (
    <Acting
      label={args.label || `${args.op} ${args.target}`}
      facts={[
        [x.action, args.op],
        [x.target, args.target],
      ]}
      act={() => act(args.op ?? '', args.target ?? '', args.account)}
    />
  )
}

async function act(op: string, target: string, account?: string): Promise<unknown> {
  const [kind, verb] = op.split('.')
  const [parent, name] = split(target)
  if (kind === 'machine') {
    const { id: machine } = await readNamed('/machines', name, { cloudspace: parent, account })
    const params = { path: { machine } }
    if (verb === 'start') return client.POST('/api/v1/machines/{machine}/start', { params })
    if (verb === 'stop') return client.POST('/api/v1/machines/{machine}/stop', { params, body: {} })
    return client.POST('/api/v1/machines/{machine}/reboot', { params })
  }
  if (kind === 'deployment') {
    const { id: deployment } = await readNamed('/deployments', name, { project: parent, account })
    const params = { path: { deployment } }
    if (verb === 'archive') return client.POST('/api/v1/deployments/{deployment}/archive', { params })
    return client.POST('/api/v1/deployments/{deployment}/restore', { params })
  }
  const node = await readNamed<Schemas['Node']>('/nodes', name)
  const params = { path: { node: node.id }, header: ifMatch(node.version) }
  return client.PATCH('/api/v1/nodes/{node}', { params, body: { cordoned: verb === 'cordon' } })
}
