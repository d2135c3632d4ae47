//! GraphiQL, the page on which a person tries the API. All of it is in the binary: the page loads nothing from
//! elsewhere, and its content security policy would not let it.

use actix_web::{HttpResponse, http::header, web};

/// A file of the page: its name, its content type, its bytes.
type File = (&'static str, &'static str, &'static [u8]);

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const STYLES: &str = "text/css; charset=utf-8";

static FILES: [File; 7] = [
    (
        "graphiql-3.9.0.min.js",
        JAVASCRIPT,
        include_bytes!("../../assets/graphiql/graphiql-3.9.0.min.js"),
    ),
    (
        "graphiql-3.9.0.min.css",
        STYLES,
        include_bytes!("../../assets/graphiql/graphiql-3.9.0.min.css"),
    ),
    (
        "react-18.3.1.min.js",
        JAVASCRIPT,
        include_bytes!("../../assets/graphiql/react-18.3.1.min.js"),
    ),
    (
        "react-dom-18.3.1.min.js",
        JAVASCRIPT,
        include_bytes!("../../assets/graphiql/react-dom-18.3.1.min.js"),
    ),
    (
        "graphql-ws-5.16.2.min.js",
        JAVASCRIPT,
        include_bytes!("../../assets/graphiql/graphql-ws-5.16.2.min.js"),
    ),
    (
        "start.js",
        JAVASCRIPT,
        include_bytes!("../../assets/graphiql/start.js"),
    ),
    (
        "start.css",
        STYLES,
        include_bytes!("../../assets/graphiql/start.css"),
    ),
];

static PAGE: &str = include_str!("../../assets/graphiql/index.html");

/// Scripts and styles come from us, data goes to us. The editor sets styles of its own and has its fonts in its
/// stylesheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// Serves the page at `path` and its files below; it asks the endpoint at `endpoint`. Both are paths of ours.
pub fn mount(services: &mut web::ServiceConfig, path: &str, endpoint: &str) {
    let page = PAGE
        .replace("{{assets}}", path)
        .replace("{{endpoint}}", endpoint);
    services
        .service(web::resource(path).route(web::get().to(move || {
            let page = page.clone();
            async move { show(page) }
        })))
        .service(web::resource(format!("{path}/{{file}}")).route(web::get().to(file)));
}

fn show(page: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(page)
}

async fn file(name: web::Path<String>) -> HttpResponse {
    let Some((name, content_type, bytes)) =
        FILES.iter().find(|(known, ..)| *known == name.as_str())
    else {
        return HttpResponse::NotFound().finish();
    };
    // A name with a version never changes its content.
    let caching = if name.starts_with("start.") {
        "no-cache"
    } else {
        "public, max-age=31536000, immutable"
    };
    HttpResponse::Ok()
        .content_type(*content_type)
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, caching))
        .body(*bytes)
}
