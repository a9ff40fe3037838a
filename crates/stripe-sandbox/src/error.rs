//! Errors as Stripe's API answers them.

use serde_json::{Map, Value, json};

/// A refusal: HTTP status and the fields of Stripe's error envelope.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) code: Option<&'static str>,
    pub(crate) decline_code: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
}

pub(crate) type ApiResult = Result<Value, ApiError>;

impl ApiError {
    pub(crate) fn invalid(message: impl Into<String>, param: Option<&str>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            decline_code: None,
            message: message.into(),
            param: param.map(str::to_owned),
        }
    }

    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn unknown(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}"), Some(param)).with_code("parameter_unknown")
    }

    pub(crate) fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}."), Some(param)).with_code("parameter_missing")
    }

    /// An object that the path names and that does not exist.
    pub(crate) fn no_such(what: &str, id: &str) -> Self {
        Self::no_such_param(what, id, "id").with_status(404)
    }

    /// An object that a parameter names and that does not exist.
    pub(crate) fn no_such_param(what: &str, id: &str, param: &str) -> Self {
        Self::invalid(format!("No such {what}: '{id}'"), Some(param)).with_code("resource_missing")
    }

    pub(crate) fn unauthorised(message: impl Into<String>) -> Self {
        Self::invalid(message, None).with_status(401)
    }

    pub(crate) fn card(code: &'static str, decline_code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status: 402,
            kind: "card_error",
            code: Some(code),
            decline_code,
            message: message.into(),
            param: None,
        }
    }

    pub(crate) fn idempotency(message: impl Into<String>) -> Self {
        Self {
            kind: "idempotency_error",
            ..Self::invalid(message, None)
        }
    }

    pub(crate) fn api(status: u16, message: impl Into<String>) -> Self {
        Self {
            kind: "api_error",
            ..Self::invalid(message, None)
        }
        .with_status(status)
    }

    /// The error object, as in the envelope and in `last_payment_error`.
    pub(crate) fn object(&self) -> Value {
        let mut fields = Map::new();
        if let Some(code) = self.code {
            fields.insert("code".into(), json!(code));
            let page = code.replace('_', "-");
            fields.insert(
                "doc_url".into(),
                json!(format!("https://stripe.com/docs/error-codes/{page}")),
            );
        }
        if let Some(code) = self.decline_code {
            fields.insert("decline_code".into(), json!(code));
        }
        fields.insert("message".into(), json!(self.message));
        if let Some(param) = &self.param {
            fields.insert("param".into(), json!(param));
        }
        fields.insert("type".into(), json!(self.kind));
        Value::Object(fields)
    }

    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.object() })
    }
}
