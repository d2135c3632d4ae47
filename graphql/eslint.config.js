// The rules of graphql-eslint for the schema and the operation documents, Relay's among them:
//
//   npm ci --prefix scripts/outside && npm run schema-lint --prefix scripts/outside
//
// Where a rule is off or narrowed, the reason stands beside it.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../scripts/outside/package.json', import.meta.url));
const graphqlPlugin = require('@graphql-eslint/eslint-plugin');
const plugin = graphqlPlugin.default ?? graphqlPlugin;

const schema = new URL('schema.graphql', import.meta.url).pathname;
const documents = new URL('operations/**/*.graphql', import.meta.url).pathname;
const languageOptions = {
  parser: plugin.parser,
  parserOptions: { graphQLConfig: { schema, documents } },
};

export default [
  // A copy of what was promised; it is never written by hand.
  { ignores: ['**/released.graphql'] },
  {
    files: ['**/schema.graphql'],
    languageOptions,
    plugins: { '@graphql-eslint': plugin },
    rules: {
      ...plugin.configs['flat/schema-recommended'].rules,
      ...plugin.configs['flat/schema-relay'].rules,
      '@graphql-eslint/require-description': ['error', {
        types: true,
        rootField: true,
        DirectiveDefinition: true,
        FieldDefinition: true,
        InputValueDefinition: true,
        EnumValueDefinition: true,
        // The arguments of @skip, @include and @specifiedBy are the specification's, and come without.
        ignoredSelectors: ['[type=InputValueDefinition][parent.kind=DirectiveDefinition]'],
      }],
      // Lists that are no connections are short and whole: user errors, milestones, cells, bands, rows of a request;
      // connections offer their nodes beside their edges. A membership and an entry of the feed are read in their
      // lists only, so they are no nodes.
      '@graphql-eslint/relay-edge-types': ['error', {
        withEdgeSuffix: true,
        shouldImplementNode: false,
        listTypeCanWrapOnlyEdgeType: false,
      }],
      // The change feed and the facilities behind a count are read forward only.
      '@graphql-eslint/relay-arguments': ['error', { includeBoth: false }],
      // What is answered and not kept has no id: payloads, pages, figures, and parts of an object that has one.
      '@graphql-eslint/strict-id-in-types': ['error', {
        exceptions: {
          suffixes: ['Payload', 'Connection', 'Edge'],
          types: [
            'AccountCode', 'ApplicationBulkRow', 'ApplicationLine', 'ApplicationStepTaken', 'BlockerCount', 'BulkApplication', 'BulkRow', 'CapacityPledge', 'Chain', 'ChainPart', 'ChangeEntry', 'ChecklistEntry', 'Correction', 'FacilityBlocker',
            'FacilityClaimSecret', 'FigureCell', 'FigureCoverage', 'FigureDifference', 'FigureIncrease',
            'FigureReporter', 'FollowUp', 'HandoverBulkRow', 'HardwareAllocation', 'HardwareAllocationRow', 'HardwareOrderFacility', 'HardwareOrderRow', 'HardwareOrderStep',
            'InstallationBulkRow', 'InstallationCheck', 'InstallationChecklist', 'InstallationPromise', 'Invitation',
            'Membership', 'MilestoneStatus', 'NextStep', 'PageInfo', 'PastCode', 'PrefectureBand', 'PrefectureBands',
            'ReportingConfirmation', 'RolloutFigures', 'Scorecard', 'ScorecardSide', 'SavedSheetColumn', 'SeriesPoint', 'Session', 'SheetColumn', 'SheetCounts',
            'SheetMapping', 'SheetRow', 'SheetRowChange', 'UserError', 'VendorContact', 'Viewer', 'WaveDay', 'WaveProgress', 'WaveStore', 'WorkFigures', 'WorkMonth',
          ],
        },
      }],
    },
  },
  {
    files: ['**/operations/**/*.graphql'],
    languageOptions,
    plugins: { '@graphql-eslint': plugin },
    rules: {
      ...plugin.configs['flat/operations-recommended'].rules,
      '@graphql-eslint/match-document-filename': ['error', {
        query: 'PascalCase',
        mutation: 'PascalCase',
        subscription: 'PascalCase',
      }],
    },
  },
];
