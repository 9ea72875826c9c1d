import {
  Alert,
  Content,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  ExpandableSection,
  Grid,
  GridItem,
  Title,
} from '@patternfly/react-core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useFormContext } from 'react-hook-form'
import { useNavigate } from 'react-router'
import { api, client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { TextAreaField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { useRested } from '@/lists'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { PageBody } from './PageBody'

const x = t.pages

type Values = { slug: string; title: string; body: string; comment: string }
type Props = { space: string; slug: string; page?: Schemas['WikiPage'] }

/** Editor writes a page, with its preview beside it as the writer would see it. */
export default function Editor({ space, slug, page }: Props) {
  const navigate = useNavigate()
  const defaults: Values = {
    slug: page?.slug ?? slug,
    title: page?.title ?? '',
    body: page?.body ?? '',
    comment: '',
  }
  const save = async (v: Values, key: string) => {
    if (page) {
      const params = { path: { page: page.id }, header: ifMatch(page.version) }
      await client.PATCH('/api/v1/pages/{page}', { params, body: v })
    } else {
      const params = { header: { 'Idempotency-Key': key } }
      await client.POST('/api/v1/pages', { params, body: { ...v, space } })
    }
    await queries.invalidateQueries({ predicate: (q) => String(q.queryKey[1]).startsWith('/api/v1/pages') })
    navigate(paths.page(space, v.slug))
  }
  return (
    <Page title={page ? page.title : x.create}>
      <FormPage<Values>
        defaults={defaults}
        wide
        submit={t.save}
        onCancel={() => navigate(page ? paths.page(space, page.slug) : paths.space(space))}
        onSubmit={save}
        request={(v) => ({
          method: page ? 'PATCH' : 'POST',
          path: page ? `/pages/${page.id}` : '/pages',
          body: page ? v : { ...v, space },
          cli: [
            page ? `page update ${page.id}` : `page create ${v.slug}`,
            !page && flag('space', space),
            flag('title', v.title),
            flag('comment', v.comment),
            '-f page.md',
          ],
        })}
      >
        <Grid hasGutter>
          <GridItem lg={6}>
            <TextField<Values> name="slug" label={x.slug} help={x.slugHelp} required />
            <TextField<Values> name="title" label={x.titleField} />
            <TextAreaField<Values> name="body" label={x.body} help={x.bodyHelp} rows={24} code />
            <TextField<Values> name="comment" label={x.comment} />
            <Macros />
          </GridItem>
          <GridItem lg={6}>
            <Preview space={space} />
          </GridItem>
        </Grid>
      </FormPage>
    </Page>
  )
}

function Preview({ space }: { space: string }) {
  const { watch } = useFormContext<Values>()
  const asked = useRested(watch('body'), 400)
  const shown = useQuery({
    ...api.queryOptions('post', '/api/v1/pages:render', { body: { space, slug: watch('slug'), body: asked } }),
    placeholderData: keepPreviousData,
  })
  return (
    <section aria-label={x.preview} className="atoll-preview">
      <Title headingLevel="h2">{x.preview}</Title>
      {shown.data && shown.data.problems.length > 0 && (
        <Alert isInline variant="warning" title={x.problems}>
          <ul>
            {shown.data.problems.map((p) => (
              <li key={`${p.line}-${p.message}`}>
                {p.line ? `${p.line}: ` : ''}
                {p.message}
              </li>
            ))}
          </ul>
        </Alert>
      )}
      {shown.data && <PageBody html={shown.data.html} />}
    </section>
  )
}

function Macros() {
  const [open, setOpen] = useState(false)
  const macros = useQuery({ ...api.queryOptions('get', '/api/v1/macros', {}), enabled: open })
  return (
    <ExpandableSection toggleText={x.macros} isExpanded={open} onToggle={(_, o) => setOpen(o)}>
      <DescriptionList isCompact>
        {macros.data?.items.map((m) => (
          <DescriptionListGroup key={m.name}>
            <DescriptionListTerm>
              <code>{m.example}</code>
            </DescriptionListTerm>
            <DescriptionListDescription>
              {m.summary}
              <Content component="ul">
                {m.arguments.map((a) => (
                  <li key={a.name}>
                    <code>{a.name}</code>: {a.description}
                  </li>
                ))}
              </Content>
            </DescriptionListDescription>
          </DescriptionListGroup>
        ))}
      </DescriptionList>
    </ExpandableSection>
  )
}
