// What a pipeline needs so that each branch has a deployment; the same as docs/ci.md.
import { quote } from '@/form/request'

/** snippets are the parts of pipelines, for the project and the address of this installation. */
export function snippets(url: string, project: { id: string; name: string; account_id: string }) {
  const id = project.id
  return {
    token: `atoll service-account create ci-${quote(project.name)} --account ${project.account_id}
atoll membership create --project ${id} --service-account ci-${quote(project.name)} --account ${project.account_id} --role writer
atoll token create ci --user ID-OF-THE-SERVICE-ACCOUNT --scope full`,
    github: `on:
  push:
  delete:
env:
  ATOLL_URL: ${url}
  ATOLL_PROJECT: ${id}
  ATOLL_TOKEN: \${{ secrets.ATOLL_TOKEN }}
jobs:
  deploy:
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    steps:
      - run: |
          name=$(atoll deployment name --branch "$GITHUB_REF_NAME")
          atoll deployment apply "$name" --set "image.tag=$GITHUB_SHA" --ttl 168h --wait
  archive:
    if: github.event_name == 'delete'
    runs-on: ubuntu-latest
    env:
      BRANCH: \${{ github.event.ref }}
    steps:
      - run: atoll deployment archive "$(atoll deployment name --branch "$BRANCH")"
`,
    gitlab: `variables:
  ATOLL_URL: ${url}
  ATOLL_PROJECT: ${id}
staging:
  script:
    - name=$(atoll deployment name --branch "$CI_COMMIT_REF_NAME")
    - atoll deployment apply "$name" --set "image.tag=$CI_COMMIT_SHA" --wait
  environment:
    name: staging/$CI_COMMIT_REF_SLUG
    on_stop: archive
archive:
  script: [atoll deployment archive "$(atoll deployment name --branch "$CI_COMMIT_REF_NAME")"]
  when: manual
  environment: {name: staging/$CI_COMMIT_REF_SLUG, action: stop}
`,
    jenkins: `stage('staging') {
  environment {
    ATOLL_URL = '${url}'
    ATOLL_PROJECT = '${id}'
    ATOLL_TOKEN = credentials('atoll-token')
  }
  steps {
    sh '''
      name=$(atoll deployment name --branch "$BRANCH_NAME")
      atoll deployment apply "$name" --set "image.tag=$GIT_COMMIT" --wait
    '''
  }
}
`,
  }
}
