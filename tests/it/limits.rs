//! What a document may ask for, and the rules of validation that the library leaves to us.

use async_graphql::{Variables, parser::parse_query};
use kaitsu::api::request::{Checker, Limits, QueryError, root_fields};
use rstest::rstest;
use serde_json::{Value, json};

use crate::toy::{Counters, schema};

fn checker(limits: Limits) -> Checker {
    Checker::new(
        &schema(&std::sync::Arc::new(Counters::default())).sdl(),
        limits,
    )
    .unwrap()
}

fn first_code(limits: Limits, query: &str, variables: Value) -> Result<u64, &'static str> {
    first_code_by(&checker(limits), query, variables)
}

fn first_code_by(checker: &Checker, query: &str, variables: Value) -> Result<u64, &'static str> {
    let code = |errors: Vec<QueryError>| errors.first().map_or("none", QueryError::code);
    let document = checker.read(query).map_err(code)?;
    let plan = document.operation(None).unwrap();
    let mut variables = Variables::from_json(variables);
    let cost = checker
        .admit(&document, plan, &mut variables)
        .map_err(code)?;
    Ok(cost.complexity)
}

fn code(query: &str) -> &'static str {
    first_code(Limits::default(), query, json!({}))
        .err()
        .unwrap_or("accepted")
}

/// The introspection query that `graphql-js` 16 sends with all its options.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description queryType { name } mutationType { name }
  subscriptionType { name } types { ...FullType } directives { name description isRepeatable locations
  args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL fields(includeDeprecated: true) { name description
  args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

#[actix_web::test]
async fn the_standard_introspection_query_passes_all_limits_and_is_answered() {
    assert!(first_code(Limits::default(), INTROSPECTION, json!({})).is_ok());
    let reply = crate::toy::toy().query(INTROSPECTION).await;
    assert!(reply.json().get("errors").is_none(), "{}", reply.body);
}

#[rstest]
#[case("{ hello }", 1)]
#[case("{ thing { id name } }", 3)]
#[case("{ things(first: 10) { nodes { id } } }", 1 + 10 * 2)]
#[case("{ things(last: 10) { edges { node { id } } pageInfo { hasNextPage } totalCount } }", 1 + 10 * 3 + 2 + 1)]
#[case("{ things(first: 10) { ...F } } fragment F on ThingConnection { nodes { id } totalCount }", 1 + 10 * 2 + 1)]
#[case("{ things(first: 0) { nodes { id } } }", 1)]
#[case("{ things { nodes { id } } }", 1 + 100 * 2)]
#[case("{ things(first: 2) { nodes { things(first: 3) { nodes { id } } } } }", 1 + 2 * (1 + 1 + 3 * 2))]
#[case("query ($n: Int = 5) { things(first: $n) { nodes { id } } }", 1 + 5 * 2)]
#[case("{ hello @skip(if: true) }", 1)]
fn the_complexity_counts_each_field_as_often_as_its_page_has_rows(
    #[case] query: &str,
    #[case] expected: u64,
) {
    assert_eq!(
        first_code(Limits::default(), query, json!({})),
        Ok(expected)
    );
}

#[test]
fn the_complexity_follows_the_variables_also_when_the_document_is_known() {
    let checker = checker(Limits {
        complexity: 100,
        ..Limits::default()
    });
    let query = "query ($n: Int!) { things(first: $n) { nodes { id } } }";
    for (n, expected) in [(10, Ok(21)), (50, Err("QUERY_TOO_COMPLEX")), (20, Ok(41))] {
        let document = checker.read(query).unwrap();
        let plan = document.operation(None).unwrap();
        let mut variables = Variables::from_json(json!({"n": n}));
        let cost = checker
            .admit(&document, plan, &mut variables)
            .map(|cost| cost.complexity)
            .map_err(|errors| errors[0].code());
        assert_eq!(cost, expected);
    }
}

#[rstest]
#[case("{ things(first: 1000000) { nodes { id } } }")]
#[case("{ things(first: -1) { nodes { id } } }")]
#[case("{ things(first: 99999999999999999999) { nodes { id } } }")]
#[case("{ things(first: 1, last: 101) { nodes { id } } }")]
fn a_page_has_at_most_a_hundred_rows(#[case] query: &str) {
    assert_eq!(code(query), "PAGE_SIZE");
}

#[test]
fn each_limit_has_its_own_code_and_lets_pass_what_is_just_within() {
    let tight = || Limits {
        document_bytes: 200,
        tokens: 40,
        nesting: 8,
        operations: 2,
        depth: 3,
        fields: 8,
        complexity: 10,
        aliases: 2,
        directives: 2,
        root_fields: 4,
        list_items: 3,
        page_size: 100,
        cached_tokens: 1000,
    };
    let cases = [
        (
            "{ thing { thing { id } } }",
            "{ thing { thing { thing { id } } } }",
            "QUERY_TOO_DEEP",
        ),
        (
            "{ a: hello b: hello }",
            "{ a: hello b: hello c: hello }",
            "TOO_MANY_ALIASES",
        ),
        (
            "{ hello @skip(if: true) @include(if: true) }",
            "{ ...F ...F } fragment F on Query { hello @skip(if: true) @include(if: true) }",
            "TOO_MANY_DIRECTIVES",
        ),
        (
            "{ hello hello hello hello }",
            "{ hello hello hello hello hello }",
            "TOO_MANY_ROOT_FIELDS",
        ),
        (
            "{ sum(of: [1 2 3]) }",
            "{ sum(of: [1 2 3 4]) }",
            "LIST_TOO_LONG",
        ),
        (
            "{ things(first: 4) { nodes { id } } }",
            "{ things(first: 5) { nodes { id } } }",
            "QUERY_TOO_COMPLEX",
        ),
        (
            "{ thing { id id id id id id id } }",
            "{ thing { id id id id id id id id } }",
            "QUERY_TOO_COMPLEX",
        ),
        (
            "query A { hello }",
            "query A { hello } query B { hello } query C { hello }",
            "TOO_MANY_OPERATIONS",
        ),
        (
            "{ hello }",
            "{ hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello hello }",
            "DOCUMENT_TOO_LARGE",
        ),
        (
            "{ hello }",
            &format!("{{ hello(name: \"{}\") }}", "x".repeat(200)),
            "DOCUMENT_TOO_LARGE",
        ),
    ];
    for (within, beyond, code) in cases {
        let outcome = first_code(tight(), within, json!({}));
        assert!(outcome.is_ok(), "{outcome:?} for {within}");
        assert_eq!(
            first_code(tight(), beyond, json!({})),
            Err(code),
            "{beyond}"
        );
    }
}

#[test]
fn lists_in_variables_are_capped_wherever_they_stand() {
    let limits = || Limits {
        list_items: 3,
        ..Limits::default()
    };
    let query = "query ($of: [Int!]!) { sum(of: $of) }";
    assert!(first_code(limits(), query, json!({"of": [1, 2, 3]})).is_ok());
    assert_eq!(
        first_code(limits(), query, json!({"of": [1, 2, 3, 4]})),
        Err("LIST_TOO_LONG")
    );
}

#[test]
fn a_fragment_bomb_costs_nothing_to_refuse() {
    let mut bomb = "{ thing { ...F0 } } ".to_owned();
    for level in 0..16 {
        let spreads = format!("...F{} ", level + 1).repeat(16);
        bomb.push_str(&format!("fragment F{level} on Thing {{ {spreads} }} "));
    }
    bomb.push_str("fragment F16 on Thing { id }");
    let checker = checker(Limits::default());
    let start = std::time::Instant::now();
    let outcome = first_code_by(&checker, &bomb, json!({}));
    assert_eq!(outcome, Err("QUERY_TOO_COMPLEX"));
    // Whoever follows the spreads one by one never comes to an end.
    assert!(start.elapsed() < std::time::Duration::from_secs(10));
}

#[rstest]
#[case("{ thing { ...F } } fragment F on Thing { ...F }")]
#[case("{ thing { ...F } } fragment F on Thing { thing { ...G } } fragment G on Thing { ...F }")]
#[case("{ hello } fragment F on Thing { ...F }")]
fn a_fragment_that_contains_itself_is_refused(#[case] query: &str) {
    assert_eq!(code(query), "GRAPHQL_VALIDATION_FAILED");
}

#[test]
fn a_document_of_nothing_but_brackets_does_not_reach_the_parser() {
    for query in [
        "{".repeat(100_000),
        format!("{{ sum(of: {}", "[".repeat(100_000)),
        "{a".repeat(40_000),
    ] {
        assert_eq!(code(&query), "QUERY_TOO_DEEP");
    }
}

#[test]
fn what_the_scan_lets_through_does_not_overflow_a_small_stack() {
    let checker = checker(Limits::default());
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || {
            for query in [
                format!("{}{}", "{a".repeat(64), "}".repeat(64)),
                format!("{{ sum(of: {}1{}) }}", "[".repeat(62), "]".repeat(62)),
                format!("{{ sum(of: {}1{}) }}", "{a:".repeat(62), "}".repeat(62)),
            ] {
                let _ = checker.read(&query);
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[rstest]
#[case("query ($n: String) { greet(name: $n) }", "GRAPHQL_VALIDATION_FAILED")]
#[case("query ($n: String = \"x\") { greet(name: $n) }", "accepted")]
#[case(
    "query ($n: String = null) { greet(name: $n) }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case("query ($n: Int) { hello(name: $n) }", "GRAPHQL_VALIDATION_FAILED")]
#[case("query ($n: Int!) { sum(of: $n) }", "GRAPHQL_VALIDATION_FAILED")]
#[case("query ($n: Int) { sum(of: [$n]) }", "GRAPHQL_VALIDATION_FAILED")]
#[case(
    "query ($n: String) { filtered(filter: {name: $n}) }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case(
    "query ($n: String) { ...F } fragment F on Query { greet(name: $n) }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case(
    "query ($b: Boolean) { hello @skip(if: $b) }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case(
    "query ($n: String) { __type(name: $n) { name } }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case("query ($n: String) { hello(name: $n) }", "accepted")]
#[case("{ __typename @nothing }", "GRAPHQL_VALIDATION_FAILED")]
#[case("{ __typename @skip }", "GRAPHQL_VALIDATION_FAILED")]
#[case(
    "{ __typename @skip(if: true) @skip(if: true) }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case("{ __typename @deprecated }", "GRAPHQL_VALIDATION_FAILED")]
#[case("{ __typename { a } }", "GRAPHQL_VALIDATION_FAILED")]
#[case("{ __typename @include(if: true) }", "accepted")]
#[case("query ($a: Int @nothing) { hello }", "GRAPHQL_VALIDATION_FAILED")]
#[case("query ($unused: Int) { hello }", "GRAPHQL_VALIDATION_FAILED")]
#[case("query @nothing { hello }", "GRAPHQL_VALIDATION_FAILED")]
#[case(
    "{ ...F @nothing } fragment F on Query { hello }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case(
    "subscription { ticks(count: 1) silence }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case(
    "subscription { ...F } fragment F on Subscriptions { silence }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case("mutation { bump bump }", "GRAPHQL_VALIDATION_FAILED")]
#[case(
    "mutation { bump ...F } fragment F on Mutation { bump }",
    "GRAPHQL_VALIDATION_FAILED"
)]
#[case("mutation { a: bump b: bump }", "accepted")]
#[case("{ sum(of: [2147483648]) }", "GRAPHQL_VALIDATION_FAILED")]
#[case("{ sum(of: -2147483648) }", "accepted")]
#[case("{ a: hello a: secret }", "GRAPHQL_VALIDATION_FAILED")]
#[case("{ a: hello ... on Query { a: secret } }", "GRAPHQL_VALIDATION_FAILED")]
#[case("{ thing { a: id } thing { a: name } }", "GRAPHQL_VALIDATION_FAILED")]
#[case("{ thing { id } thing { id name } }", "accepted")]
#[case("{ hello } query { hello }", "GRAPHQL_VALIDATION_FAILED")]
#[case("fragment F on Query { hello }", "GRAPHQL_PARSE_FAILED")]
#[case("", "GRAPHQL_PARSE_FAILED")]
fn the_rules_that_the_library_leaves_out_are_kept(#[case] query: &str, #[case] expected: &str) {
    assert_eq!(code(query), expected);
}

#[rstest]
#[case("query ($v: String!) { greet(name: $v) }", json!({}), false)]
#[case("query ($v: String!) { greet(name: $v) }", json!({"v": null}), false)]
#[case("query ($v: String!) { greet(name: $v) }", json!({"v": 1}), false)]
#[case("query ($v: String!) { greet(name: $v) }", json!({"v": "x", "unknown": 1}), true)]
#[case("query ($v: String! = \"x\") { greet(name: $v) }", json!({"v": null}), false)]
#[case("query ($v: [Int!]!) { sum(of: $v) }", json!({"v": 1}), true)]
#[case("query ($v: [Int!]!) { sum(of: $v) }", json!({"v": [1, null]}), false)]
#[case("query ($v: [Int!]!) { sum(of: $v) }", json!({"v": [1.5]}), false)]
#[case("query ($v: [Int!]!) { sum(of: $v) }", json!({"v": [2147483648_i64]}), false)]
#[case("query ($v: Filter!) { filtered(filter: $v) }", json!({"v": {"name": "a", "colour": "RED"}}), true)]
#[case("query ($v: Filter!) { filtered(filter: $v) }", json!({"v": {"name": "a", "colour": "BLUE"}}), false)]
#[case("query ($v: Filter!) { filtered(filter: $v) }", json!({"v": {"colour": "RED"}}), false)]
#[case("query ($v: Filter!) { filtered(filter: $v) }", json!({"v": {"name": "a", "unknown": 1}}), false)]
#[case("query ($v: Filter!) { filtered(filter: $v) }", json!({"v": []}), false)]
fn a_variable_has_a_value_of_its_type(
    #[case] query: &str,
    #[case] variables: Value,
    #[case] fits: bool,
) {
    let outcome = first_code(Limits::default(), query, variables);
    if fits {
        assert!(outcome.is_ok(), "{outcome:?}");
    } else {
        assert_eq!(outcome, Err("BAD_VARIABLE"));
    }
}

#[test]
fn all_variables_that_are_wrong_are_named_at_once_with_the_place() {
    let checker = checker(Limits::default());
    let query = "query ($a: [Int!]!, $b: Filter!) { sum(of: $a) filtered(filter: $b) }";
    let document = checker.read(query).unwrap();
    let mut variables = Variables::from_json(json!({"a": [1, "x"], "b": {"name": null}}));
    let errors = checker
        .admit(&document, document.operation(None).unwrap(), &mut variables)
        .unwrap_err();
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "variable `$a`[1] is not of type `Int`",
            "variable `$b`.name must not be null: it is of type `String!`"
        ]
    );
}

#[test]
fn root_fields_are_found_through_fragments() {
    let query = "{ a: hello ...F ... { secret @skip(if: true) } } fragment F on Query { thing { id } hello }";
    let document = parse_query(query).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    assert_eq!(
        root_fields(&document, &operation.node),
        ["hello", "secret", "thing"]
    );
}

#[test]
fn documents_come_and_go_in_a_small_cache_and_stay_right() {
    let checker = checker(Limits {
        cached_tokens: 200,
        ..Limits::default()
    });
    for round in 0..3 {
        for n in 0..50 {
            let document = checker.read(&format!("{{ a{n}: hello }}")).unwrap();
            assert_eq!(
                document.operation(None).unwrap().root_fields(),
                ["hello"],
                "{round}"
            );
        }
    }
}
