//! Products.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::list;
use crate::params::{Metadata, Params};
use crate::state::State;

const FIELDS: [&str; 9] = [
    "name",
    "description",
    "active",
    "metadata",
    "metadata[*]",
    "url",
    "unit_label",
    "statement_descriptor",
    "tax_code",
];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) active: bool,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) url: Option<String>,
    pub(crate) unit_label: Option<String>,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) tax_code: Option<String>,
}

impl Product {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": null,
            "description": self.description,
            "images": [],
            "livemode": false,
            "marketing_features": [],
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": self.statement_descriptor,
            "tax_code": self.tax_code,
            "type": "service",
            "unit_label": self.unit_label,
            "updated": self.updated,
            "url": self.url,
        })
    }

    fn change(&mut self, params: &Params) -> Result<(), ApiError> {
        if params.raw("name").is_some() {
            params.required("name")?.clone_into(&mut self.name);
        }
        self.active = params.boolean("active")?.unwrap_or(self.active);
        params.change_text("description", &mut self.description);
        params.change_text("url", &mut self.url);
        params.change_text("unit_label", &mut self.unit_label);
        params.change_text("statement_descriptor", &mut self.statement_descriptor);
        params.change_text("tax_code", &mut self.tax_code);
        params.change_metadata("metadata", &mut self.metadata)
    }
}

impl State {
    pub(crate) fn add_product(&mut self, id: Option<&str>, name: &str, params: &Params) -> Result<String, ApiError> {
        if let Some(id) = id
            && self.products.contains_key(id)
        {
            return Err(ApiError::invalid(format!("Product already exists: {id}"), Some("id"))
                .with_code("resource_already_exists"));
        }
        let id = id.map_or_else(|| self.new_id("prod", 8), str::to_owned);
        let mut product = Product {
            id: id.clone(),
            created: self.now,
            updated: self.now,
            active: true,
            name: name.to_owned(),
            description: None,
            metadata: Metadata::new(),
            url: None,
            unit_label: None,
            statement_descriptor: None,
            tax_code: None,
        };
        product.change(params)?;
        let shown = product.render();
        self.products.insert(id.clone(), product);
        self.emit("product.created", shown);
        Ok(id)
    }
}

pub(crate) fn create(state: &mut State, params: &Params) -> ApiResult {
    params.only(&[&FIELDS[..], &["id"]].concat())?;
    let id = state.add_product(params.text("id"), params.required("name")?, params)?;
    get(state, &Params::default(), &id)
}

pub(crate) fn get(state: &State, params: &Params, id: &str) -> ApiResult {
    params.only(&[])?;
    state
        .products
        .get(id)
        .map(Product::render)
        .ok_or_else(|| ApiError::no_such("product", id))
}

pub(crate) fn update(state: &mut State, params: &Params, id: &str) -> ApiResult {
    params.only(&FIELDS)?;
    let mut product = state
        .products
        .get(id)
        .ok_or_else(|| ApiError::no_such("product", id))?
        .clone();
    let before = product.render();
    product.change(params)?;
    product.updated = state.now;
    let after = product.render();
    state.products.insert(id.to_owned(), product);
    state.emit_change("product.updated", before, after.clone());
    Ok(after)
}

pub(crate) fn list(state: &State, params: &Params) -> ApiResult {
    params.only_list(&["active", "ids[#]"])?;
    let (active, ids) = (params.boolean("active")?, params.list("ids"));
    list::page(
        "product",
        "/v1/products",
        params,
        &state.products,
        |product| {
            active.is_none_or(|active| product.active == active)
                && (ids.is_empty() || ids.contains(&product.id.as_str()))
        },
        |product| product.created,
        Product::render,
    )
}
