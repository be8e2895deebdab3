//! Collects a file's names and paths.

use std::mem::replace;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser, discouraged::Speculative};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta, Token, UseTree};

use crate::Breaches;
use crate::tree::{Mention, ModuleId, Name, Tree};

/// Walks through one file.
pub struct Collector<'a> {
    pub tree: &'a mut Tree,
    pub repository: &'a Path,
    /// The module whose items are walked through.
    pub module: ModuleId,
    /// Where the files of its children are.
    pub folder: String,
    /// Modules whose files are yet to be read, with the folders of their children.
    pub pending: &'a mut Vec<(ModuleId, String)>,
    pub breaches: &'a mut Breaches,
}

impl Collector<'_> {
    /// Everything in the file, unless all of it is for tests.
    pub fn collect(mut self, file: &syn::File) {
        if !only_for_tests(&file.attrs) {
            self.visit_file(file);
        }
    }

    fn file(&self) -> String {
        self.tree.modules[self.module].file.clone()
    }

    fn mention(&mut self, path: Vec<String>, at: &impl Spanned, in_use: bool) {
        let line = at.span().start().line;
        self.tree.modules[self.module]
            .mentions
            .push(Mention { path, line, in_use });
    }

    fn use_tree(&mut self, tree: &UseTree, mut path: Vec<String>) {
        let (ident, name) = match tree {
            UseTree::Path(inner) => {
                path.push(text(&inner.ident));
                return self.use_tree(&inner.tree, path);
            }
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|item| self.use_tree(item, path.clone()));
            }
            UseTree::Glob(_) => {
                self.tree.modules[self.module].globs.push(path.clone());
                path.push("*".to_owned());
                return self.mention(path, tree, true);
            }
            UseTree::Name(leaf) => (&leaf.ident, None),
            UseTree::Rename(leaf) => (&leaf.ident, Some(text(&leaf.rename))),
        };
        if ident != "self" || path.is_empty() {
            path.push(text(ident));
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        self.tree
            .name(self.module, name, Name::Import(path.clone()));
        self.mention(path, tree, true);
    }

    /// What looks like a path in a macro's tokens, also in a string: `#[serde(with = "crate::wire")]`.
    fn tokens(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        while !input.is_empty() {
            let ahead = input.fork();
            if let Ok(path) = ahead.parse::<syn::ExprPath>() {
                input.advance_to(&ahead);
                self.visit_expr_path(&path);
            } else if let Ok(string) = input.parse::<syn::LitStr>() {
                let _ = string
                    .parse::<syn::Path>()
                    .map(|path| self.visit_path(&path));
            } else if let TokenTree::Group(group) = input.parse()? {
                self.visit_token_stream(&group.stream());
            }
        }
        Ok(())
    }
}

/// Passes over what only tests compile; items get their name.
macro_rules! unless_for_tests {
    ($($visit:ident($node:ty) $(named $first:ident $(.$ident:ident)?)?;)*) => {$(
        fn $visit(&mut self, node: &'ast $node) {
            if only_for_tests(&node.attrs) {
                return;
            }
            $(self.tree.name(self.module, text(&node.$first $(.$ident)?), Name::Item(self.file()));)?
            visit::$visit(self, node);
        }
    )*};
}

impl<'ast> Visit<'ast> for Collector<'_> {
    unless_for_tests! {
        visit_item_const(syn::ItemConst) named ident;
        visit_item_enum(syn::ItemEnum) named ident;
        visit_item_fn(syn::ItemFn) named sig.ident;
        visit_item_static(syn::ItemStatic) named ident;
        visit_item_struct(syn::ItemStruct) named ident;
        visit_item_trait(syn::ItemTrait) named ident;
        visit_item_type(syn::ItemType) named ident;
        visit_item_union(syn::ItemUnion) named ident;
        visit_item_impl(syn::ItemImpl);
        visit_impl_item_fn(syn::ImplItemFn);
        visit_impl_item_const(syn::ImplItemConst);
        visit_trait_item_fn(syn::TraitItemFn);
        visit_field(syn::Field);
        visit_field_value(syn::FieldValue);
        visit_variant(syn::Variant);
        visit_arm(syn::Arm);
        visit_local(syn::Local);
        visit_stmt_macro(syn::StmtMacro);
        visit_expr_block(syn::ExprBlock);
        visit_expr_call(syn::ExprCall);
        visit_expr_method_call(syn::ExprMethodCall);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if only_for_tests(&item.attrs) {
            return;
        }
        let (file, name) = (self.file(), text(&item.ident));
        let folder = format!("{}/{name}", self.folder);
        let beside = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let (own, folder) = match (&item.content, path_attribute(&item.attrs)) {
            (Some(_), _) => (vec![file.clone()], folder),
            (None, Some(path)) => (vec![format!("{beside}/{path}")], beside.to_owned()),
            (None, None) => (
                vec![format!("{folder}.rs"), format!("{folder}/mod.rs")],
                folder,
            ),
        };
        let Some(own) = own
            .into_iter()
            .find(|file| self.repository.join(file).is_file())
        else {
            let line = item.span().start().line;
            return self
                .breaches
                .add(&file, line, format!("`mod {name}` has no file"));
        };
        let member = self.tree.modules[self.module].member;
        let child = self.tree.add(own, member, Some(self.module));
        self.tree.name(self.module, name, Name::Child(child));
        if let Some((_, items)) = &item.content {
            let outer = (
                replace(&mut self.module, child),
                replace(&mut self.folder, folder),
            );
            items.iter().for_each(|item| self.visit_item(item));
            (self.module, self.folder) = outer;
        } else {
            self.pending.push((child, folder));
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !only_for_tests(&item.attrs) {
            self.use_tree(&item.tree, Vec::new());
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if only_for_tests(&item.attrs) {
            return;
        }
        if let Some(name) = &item.ident {
            let exported = item
                .attrs
                .iter()
                .any(|attribute| attribute.path().is_ident("macro_export"));
            let module = if exported {
                self.tree.modules[self.module].root
            } else {
                self.module
            };
            self.tree.name(module, text(name), Name::Item(self.file()));
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path
            .segments
            .iter()
            .map(|segment| text(&segment.ident))
            .collect();
        self.mention(segments, path, false);
        visit::visit_path(self, path);
    }

    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        // It takes any token, so it can't fail.
        let _ = (|input: ParseStream<'_>| self.tokens(input)).parse2(tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if !attribute.path().is_ident("doc") {
            visit::visit_attribute(self, attribute);
        }
    }

    /// `pub(in …)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

fn text(ident: &syn::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// The file that `#[path = "…"]` names.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes
        .iter()
        .find(|attribute| attribute.path().is_ident("path"))?;
    match &attribute.meta.require_name_value().ok()?.value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(path),
            ..
        }) => Some(path.value()),
        _ => None,
    }
}

/// Whether an attribute is `#[test]`, `#[tokio::test]` or a `#[cfg(…)]` that needs `test`.
fn only_for_tests(attributes: &[Attribute]) -> bool {
    fn needs_test(meta: &Meta) -> bool {
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .is_ok_and(|all| all.iter().any(needs_test)),
            _ => false,
        }
    }
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        path.segments
            .last()
            .is_some_and(|last| last.ident == "test")
            || (path.is_ident("cfg") && attribute.parse_args().is_ok_and(|meta| needs_test(&meta)))
    })
}
