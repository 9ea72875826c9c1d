import { Button, Card, CardBody, CardTitle, Stack, StackItem } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { readAgain } from '@/api/queries'
import { listQuery, useList } from '@/lists'
import { pathOf } from '@/paths'
import { useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { DataTable } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { Facts } from '@/ui/Facts'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { sessionAction, sessionColumns, tokenColumns } from './credentials'
import { PasswordForm } from './PasswordForm'
import { SecondFactor } from './SecondFactor'
import { TokenCreate } from './TokenCreate'

const x = t.profile

/** ProfilePage is what somebody sees and sets of himself: password, second factor, sessions, tokens. */
export function Component() {
  const me = useMe()
  return (
    <Page title={x.title}>
      <Stack hasGutter>
        <Section title={x.about}>
          <Facts
            items={[
              [x.name, me.user.name],
              [x.fullName, me.user.full_name || undefined],
              [x.email, me.user.email || undefined],
              [x.role, me.user.role || x.noRole],
              [x.provider, me.provider || undefined],
              [x.roles, <Roles key="roles" memberships={me.memberships} />],
            ]}
          />
        </Section>
        {me.user.has_password && (
          <Section title={x.password}>
            <PasswordForm user={me.user.id} />
          </Section>
        )}
        {me.user.has_password && (
          <Section title={t.secondFactor.title}>
            <SecondFactor state={me.second_factor} />
          </Section>
        )}
        <Section title={x.sessions}>
          <p>{x.sessionsAbout}</p>
          <Sessions />
        </Section>
        <Section title={x.tokens}>
          <p>{x.tokensAbout}</p>
          <Tokens />
        </Section>
      </Stack>
    </Page>
  )
}

function Section({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <StackItem>
      <Card isCompact>
        <CardTitle component="h2">{title}</CardTitle>
        <CardBody>{children}</CardBody>
      </Card>
    </StackItem>
  )
}

function Roles({ memberships }: { memberships: Schemas['MyMembership'][] }) {
  if (memberships.length === 0) return <>{t.none}</>
  return (
    <ul>
      {memberships.map((m) => {
        const [kind, id, name] = m.machine_id
          ? ['machine', m.machine_id, m.machine]
          : m.project_id
            ? ['project', m.project_id, m.project]
            : m.cloudspace_id
              ? ['cloudspace', m.cloudspace_id, m.cloudspace]
              : ['account', m.account_id, m.account]
        return (
          <li key={m.id}>
            {m.role}: <Link to={pathOf(kind, id) ?? '/'}>{name ?? kind}</Link>
          </li>
        )
      })}
    </ul>
  )
}

function Sessions() {
  const query = useQuery(listQuery('/api/v1/sessions', { limit: 100 }))
  if (query.error) return <ErrorView error={query.error} />
  return (
    <DataTable
      label={x.sessions}
      columns={sessionColumns}
      rows={query.data?.items ?? []}
      loading={query.isPending}
      rowKey={(s) => s.id}
      actions={sessionAction}
    />
  )
}

function Tokens() {
  const list = useList('/api/v1/tokens', { prefix: 'token-' })
  const [deleting, setDeleting] = useState<Schemas['Token']>()
  const [making, setMaking] = useState(false)
  const make = <Button onClick={() => setMaking(true)}>{x.tokenCreate}</Button>
  return (
    <>
      <ListView
        label={x.tokens}
        list={list}
        columns={tokenColumns}
        rowKey={(k) => k.id}
        tools={make}
        empty={<Empty title={x.tokenNone} actions={make} />}
        actions={(k) => (
          <Button variant="link" isInline isDanger onClick={() => setDeleting(k)}>
            {t.delete}
          </Button>
        )}
      />
      {making && <TokenCreate onClose={() => setMaking(false)} />}
      {deleting && (
        <ConfirmDelete
          kind={x.tokens}
          name={deleting.name}
          onClose={() => setDeleting(undefined)}
          onConfirm={async () => {
            await client.DELETE('/api/v1/tokens/{token}', { params: { path: { token: deleting.id } } })
            await readAgain('/api/v1/tokens')
          }}
        />
      )}
    </>
  )
}
