//! The members of the workspace, as their manifests tell them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::Breaches;

/// A crate of the workspace.
pub struct Member {
    /// From the repository's root.
    pub folder: String,
    pub package: String,
    pub dependencies: Vec<Dependency>,
}

/// A normal dependency, optional ones included.
pub struct Dependency {
    /// As code names it.
    pub name: String,
    pub package: String,
    pub line: usize,
}

impl Member {
    pub fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// The file where a library begins. A program may have none.
    pub fn library_file(&self) -> String {
        format!("{}/src/lib.rs", self.folder)
    }

    /// Tests and benches may know everything.
    pub fn only_tests(&self) -> bool {
        self.folder == "benches" || self.folder.starts_with("testing/")
    }
}

#[derive(Default, Deserialize)]
struct Root {
    workspace: Workspace,
}

#[derive(Default, Deserialize)]
struct Workspace {
    members: Vec<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, Source>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: BTreeMap<Spanned<String>, Source>,
    #[serde(default)]
    target: BTreeMap<String, Platform>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
struct Platform {
    #[serde(default)]
    dependencies: BTreeMap<Spanned<String>, Source>,
}

/// Where a dependency comes from.
#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Version(#[expect(dead_code, reason = "only its shape matters")] String),
    Details {
        package: Option<String>,
        path: Option<String>,
    },
}

impl Source {
    fn package(&self) -> Option<&String> {
        if let Self::Details { package, .. } = self {
            package.as_ref()
        } else {
            None
        }
    }
}

/// Reads all manifests: the members, and the external crates that `[workspace.dependencies]` lists, as code names them.
pub fn members(root: &Path, breaches: &mut Breaches) -> (Vec<Member>, Vec<String>) {
    let (_, workspace) = parse::<Root>(root, "Cargo.toml", breaches).unwrap_or_default();
    let Workspace {
        members: folders,
        dependencies: shared,
    } = workspace.workspace;
    let package = |name: &String, source: &Source| {
        let shared = || shared.get(name).and_then(Source::package);
        source.package().or_else(shared).unwrap_or(name).clone()
    };
    let is_external = |source: &Source| !matches!(source, Source::Details { path: Some(_), .. });
    let external = shared.iter().filter(|(_, source)| is_external(source));
    let external = external
        .map(|(name, source)| identifier(&package(name, source)))
        .collect();
    let mut members = Vec::new();
    for folder in folders {
        let file = format!("{folder}/Cargo.toml");
        let Some((text, manifest)) = parse::<Manifest>(root, &file, breaches) else {
            continue;
        };
        let everywhere = manifest.dependencies.iter();
        let somewhere = manifest
            .target
            .values()
            .flat_map(|platform| &platform.dependencies);
        let dependency = |(name, source): (&Spanned<String>, &Source)| Dependency {
            name: identifier(name.get_ref()),
            package: package(name.get_ref(), source),
            line: text[..name.span().start].matches('\n').count() + 1,
        };
        let dependencies = everywhere.chain(somewhere).map(dependency).collect();
        members.push(Member {
            folder,
            package: manifest.package.name,
            dependencies,
        });
    }
    (members, external)
}

/// A package's name in code.
pub fn identifier(package: &str) -> String {
    package.replace('-', "_")
}

/// A file's text. If it can't be read, that is a breach, and there is none.
pub fn read(root: &Path, file: &str, breaches: &mut Breaches) -> Option<String> {
    let text = std::fs::read_to_string(root.join(file));
    text.map_err(|error| breaches.add(file, 1, format!("can't be read: {error}")))
        .ok()
}

fn parse<T: DeserializeOwned>(
    root: &Path,
    file: &str,
    breaches: &mut Breaches,
) -> Option<(String, T)> {
    let text = read(root, file, breaches)?;
    let parsed = toml::from_str(&text).map_err(|error| breaches.add(file, 1, error.to_string()));
    Some((text, parsed.ok()?))
}
