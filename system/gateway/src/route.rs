//! A route: a path, the methods that it takes, and what each of them means. Handler and description are given together, so that no route is
//! served without its description. Must not know any route.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter};

use super::answer::answered;
use super::error::HttpError;
use super::openapi::Operation;
use super::request::GatewayRequest;
use super::state::GatewayState;

/// A method that routes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// Answers HEAD, too.
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// The name in an OpenAPI document.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }

    const fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A route.
pub(super) struct Route {
    /// With its parameters in braces, as axum and OpenAPI both write them.
    pub(super) path: String,
    /// What each method means.
    pub(super) operations: Vec<(Verb, Operation)>,
    handlers: MethodRouter<Arc<GatewayState>>,
}

impl Route {
    /// A route without methods.
    pub(super) fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            operations: Vec::new(),
            handlers: MethodRouter::new(),
        }
    }

    /// A route that can be read.
    pub(super) fn read<F, A>(path: &str, operation: Operation, handler: F) -> Self
    where
        F: FnOnce(GatewayRequest) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response, HttpError>> + Send + 'static,
    {
        Self::at(path).on(Verb::Get, operation, handler)
    }

    /// Adds a method with its description and its handler.
    pub(super) fn on<F, A>(mut self, verb: Verb, operation: Operation, handler: F) -> Self
    where
        F: FnOnce(GatewayRequest) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<Response, HttpError>> + Send + 'static,
    {
        self.operations.push((verb, operation));
        self.handlers = self.handlers.on(verb.filter(), answered(handler));
        self
    }

    /// Serves the route; OPTIONS and a method that it lacks are answered with those that it has.
    pub(super) fn serve(self, router: Router<Arc<GatewayState>>) -> Router<Arc<GatewayState>> {
        let verbs = self.operations.iter().map(|(verb, _)| verb.allowed());
        let allow: Vec<&str> = verbs.chain(["OPTIONS"]).collect();
        let allow: Arc<str> = allow.join(", ").into();
        let told = Arc::clone(&allow);
        let handlers = self
            .handlers
            .options(answered(move |_| async move { Ok(options(&told)) }))
            .fallback(answered(move |request| async move {
                let (method, path) = (request.http.method(), request.http.uri().path());
                Err(HttpError::wrong_method(method.as_str(), path, allow))
            }));
        router.route(&self.path, handlers)
    }
}

fn options(allow: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allow = HeaderValue::from_str(allow).expect("the names of methods are plain text");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}
