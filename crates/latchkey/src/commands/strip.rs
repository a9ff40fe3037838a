//! `latchkey strip`: the edge's engine on files.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use latchkey_entitlement::policy::StripPolicy;
use latchkey_page::{Change, Compiled, FilterList, Outcome, Verdict, rewrite};

use crate::{
    cli::{Exit, Strip},
    commands::edge::read_list,
    config::{ConfigError, setting},
};

/// Largest page that is read, in bytes.
const MAX_INPUT_BYTES: u64 = 64 * 1024 * 1024;

/// Strips every file; ends with findings if a page had to be left as it was.
pub(crate) fn run(strip: &Strip) -> anyhow::Result<Exit> {
    let compiled = compile(strip)?;
    if let Some(dir) = &strip.out {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    let mut exit = Exit::Done;
    if strip.files.is_empty() {
        if strip.out.is_some() {
            bail!("--out needs files; standard input goes to standard output");
        }
        let page = read_bounded(std::io::stdin().lock(), "standard input")?;
        exit = one(&compiled, strip, "standard input", &page, None)?;
    }
    let mut targets = BTreeSet::new();
    for file in &strip.files {
        if let Some(dir) = strip.out.as_deref()
            && !targets.insert(target_of(dir, file)?)
        {
            bail!(
                "several files are named {}, and would overwrite each other in {}\n  help: give them one --out each",
                file.file_name().unwrap_or_default().display(),
                dir.display()
            );
        }
    }
    for file in &strip.files {
        let name = file.display().to_string();
        if file.is_dir() {
            bail!("{name} is a folder\n  help: name the files in it, such as {name}/*.html");
        }
        let page = read_bounded(fs::File::open(file).with_context(|| format!("opening {name}"))?, &name)?;
        let target = strip.out.as_deref().map(|dir| target_of(dir, file)).transpose()?;
        if one(&compiled, strip, &name, &page, target.as_deref())? == Exit::Findings {
            exit = Exit::Findings;
        }
    }
    Ok(exit)
}

fn compile(strip: &Strip) -> anyhow::Result<Compiled> {
    let policy = match &strip.rules {
        None => StripPolicy::default(),
        Some(file) => {
            let text = fs::read_to_string(file).map_err(|why| wrong(file, &why.to_string()))?;
            toml::from_str(&text).map_err(|why| wrong(file, why.to_string().trim_end()))?
        }
    };
    let mut lists = Vec::new();
    for file in &strip.filter_list {
        let (name, text) = read_list(file)?;
        lists.push(FilterList::parse(&name, &text));
    }
    let rules = strip.rules.as_deref().unwrap_or(Path::new("the built-in rules"));
    Ok(Compiled::new(&policy, &lists).map_err(|why| wrong(rules, &why.to_string()))?)
}

fn wrong(rules: &Path, why: &str) -> ConfigError {
    setting(format!(
        "{}: not a strip policy: {why}\n  help: write groups, ad_hosts and [[rules]] as `latchkey init` shows them under [site.strip]",
        rules.display()
    ))
}

fn read_bounded(source: impl Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    source
        .take(MAX_INPUT_BYTES + 1)
        .read_to_end(&mut page)
        .with_context(|| format!("reading {name}"))?;
    if u64::try_from(page.len())? > MAX_INPUT_BYTES {
        bail!("{name} is larger than {MAX_INPUT_BYTES} bytes");
    }
    Ok(page)
}

fn target_of(dir: &Path, file: &Path) -> anyhow::Result<PathBuf> {
    let name = file
        .file_name()
        .with_context(|| format!("{} has no file name", file.display()))?;
    let target = dir.join(name);
    if target.exists() && fs::canonicalize(&target)? == fs::canonicalize(file)? {
        bail!(
            "{} would be overwritten by its own result; choose another --out",
            file.display()
        );
    }
    Ok(target)
}

fn one(compiled: &Compiled, strip: &Strip, name: &str, page: &[u8], target: Option<&Path>) -> anyhow::Result<Exit> {
    let change = Change {
        strip: true,
        ..Change::default()
    };
    let outcome = rewrite(compiled, page, None, strip.url.as_str(), &change);
    match target {
        Some(target) => fs::write(target, &outcome.html).with_context(|| format!("writing {}", target.display()))?,
        None => std::io::stdout()
            .lock()
            .write_all(&outcome.html)
            .context("writing to standard output")?,
    }
    Ok(report(strip, name, page.len(), &outcome))
}

fn report(strip: &Strip, name: &str, before: usize, outcome: &Outcome) -> Exit {
    if let Verdict::Original { reason, rule, offset } = &outcome.verdict {
        let rule = rule.as_deref().map_or(String::new(), |rule| format!(", rule {rule}"));
        eprintln!("{name}: left as it was: {reason} (byte {offset}{rule})");
        return Exit::Findings;
    }
    if strip.report {
        eprintln!("{name}: {before} -> {} bytes", outcome.html.len());
        for removal in &outcome.removed {
            eprintln!("  {:>4} × {} ({} bytes)", removal.count, removal.rule, removal.bytes);
        }
    }
    Exit::Done
}
