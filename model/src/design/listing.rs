//! The compiled code in readable form.

use crate::program::{
    Arith, Cmp, DemoteRule, DioFlags, Entry, FaultInFlags, GhError, HoldRule, MayGrant, Op,
    Operand, Pc, Place, Program, Target, TryRule, Val, Var, WeakRule,
};
use std::fmt::Write;

impl Program {
    /// The compiled code in readable form: per entry the instructions with their
    /// line, live variables and meaning.
    ///
    /// ```
    /// # use glock_model::design::Library;
    /// let listing = Library::builtin().load("base").unwrap().program.listing();
    /// assert!(listing.contains("gfs2_glock_nq file SH"));
    /// ```
    pub fn listing(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "design {}", self.name);
        if !self.extends.is_empty() {
            let _ = writeln!(out, "extends {}", self.extends.join(", "));
        }
        let _ = writeln!(out, "kernel {}", self.kernel_name());
        if !self.admits_short.is_empty() {
            let names: Vec<_> = self.admits_short.iter().map(|e| e.name()).collect();
            let _ = writeln!(out, "admits short {}", names.join(" "));
        }
        for flag in &self.flags {
            let _ = writeln!(
                out,
                "{} {} max {}",
                place_name(flag.place),
                flag.name,
                flag.max
            );
        }
        for pc in 0..self.code.len() as Pc {
            if let Some(entry) = Entry::ALL.into_iter().find(|e| self.entry(*e) == Some(pc)) {
                let _ = writeln!(out, "\n{}:", entry.name());
            }
            self.list(pc, &mut out);
        }
        out
    }

    /// The entry an instruction belongs to.
    pub fn entry_of(&self, pc: Pc) -> Entry {
        Entry::ALL
            .into_iter()
            .filter_map(|e| Some((self.entry(e)?, e)))
            .filter(|(start, _)| *start <= pc)
            .max_by_key(|(start, _)| *start)
            .map_or(Entry::DirectRead, |(_, e)| e)
    }

    /// The rules the design runs under, without those that nothing in it depends on.
    fn kernel_name(&self) -> String {
        let may_grant = match self.kernel.may_grant {
            MayGrant::V512 => "v5.12",
            MayGrant::V516 => "v5.16",
        };
        let try_rule = match self.kernel.try_rule {
            TryRule::V512 => "v5.12",
            TryRule::V618 => "v6.18",
        };
        let mut name = format!("may_grant {may_grant}, try {try_rule}");
        if self.weak_holders {
            name += match self.kernel.weak {
                WeakRule::V516 => ", weak v5.16",
                WeakRule::V60 => ", weak v6.0",
            };
        }
        if self.requeues_holders() {
            name += match self.kernel.gh_error {
                GhError::V512 => ", gh_error v5.12",
                GhError::V518 => ", gh_error v5.18",
            };
        }
        if self.kernel.demote == DemoteRule::V2619 {
            name += ", demote v2.6.19";
        }
        if self.kernel.hold == HoldRule::V2624 {
            name += ", hold v2.6.24";
        }
        name
    }

    fn list(&self, pc: Pc, out: &mut String) {
        let instr = &self.code[pc as usize];
        let line = self.line(pc);
        let nested = self.entry_of(pc).is_nested();
        let live: Vec<String> = (0..u16::BITS as u8)
            .filter(|slot| instr.live >> slot & 1 == 1)
            .map(|slot| self.var_name(Var(slot), nested).to_string())
            .collect();
        let indent = "  ".repeat(line.depth as usize);
        let place = format!(
            "{}:{}",
            self.sources[line.source as usize].design, line.number
        );
        let op = format!("{indent}{}", self.op_text(pc));
        let row = format!("{pc:4}  {op:<50} {place:<20} {}", live.join(" "));
        let _ = writeln!(out, "{}", row.trim_end());
    }

    /// The name of a variable slot, of a system call's frame or a nested one.
    pub fn var_name(&self, var: Var, nested: bool) -> &str {
        let names = if nested {
            &self.nested_var_names
        } else {
            &self.var_names
        };
        names.get(var.0 as usize).map_or("?", String::as_str)
    }

    /// An instruction as text, with variable names and instruction numbers.
    pub fn op_text(&self, pc: Pc) -> String {
        let nested = self.entry_of(pc).is_nested();
        let var = |v: Var| self.var_name(v, nested).to_string();
        let operand = |o: Operand| self.operand_text(o, nested);
        let value = |a: Operand, op: Option<(Arith, Operand)>| match op {
            None => operand(a),
            Some((Arith::Add, b)) => format!("{} + {}", operand(a), operand(b)),
            Some((Arith::Sub, b)) => format!("{} - {}", operand(a), operand(b)),
            Some((Arith::Min, b)) => format!("min {} {}", operand(a), operand(b)),
        };
        match self.code[pc as usize].op {
            Op::Nq {
                mode,
                flags,
                requeue,
                to,
                refused,
            } => {
                let to = to.map_or(String::new(), |to| format!("{} = ", var(to)));
                let refused = refused.map_or(String::new(), |pc| format!(" else {pc}"));
                let flags = flags.to_string().to_lowercase().replace('|', " ");
                let requeue = if requeue { " requeue" } else { "" };
                format!("{to}gfs2_glock_nq file {mode}{flags}{requeue}{refused}")
            }
            Op::Dq => "gfs2_glock_dq file".into(),
            Op::AllowDemote => "gfs2_holder_allow_demote file".into(),
            Op::DisallowDemote => "gfs2_holder_disallow_demote file".into(),
            Op::InodeLock => "inode_lock file".into(),
            Op::InodeUnlock => "inode_unlock file".into(),
            Op::WriteChecks => "generic_write_checks file iter".into(),
            Op::PagefaultDisable => "pagefault_disable".into(),
            Op::PagefaultEnable => "pagefault_enable".into(),
            Op::IterNofault(on) => format!("iter.nofault = {}", u8::from(on)),
            Op::DioRw {
                to,
                partial,
                rewind,
                done,
                flags,
            } => {
                let partial = match (partial, rewind) {
                    (true, _) => " partial",
                    (_, true) => " rewind",
                    _ => "",
                };
                let done = done.map_or(String::new(), |d| format!(" done {}", var(d)));
                let flags = options(&DioFlags::NAMES, |f| flags.has(f));
                format!("{} = iomap_dio_rw file iter{partial}{done}{flags}", var(to))
            }
            Op::ReadIter { to, noio } => {
                let noio = if noio { " noio" } else { "" };
                format!("{} = generic_file_read_iter file iter{noio}", var(to))
            }
            Op::BufferedWrite {
                to,
                keep_pos,
                whole_chunks,
            } => {
                let keep = if keep_pos { " keep_pos" } else { "" };
                let whole = if whole_chunks { " whole_chunks" } else { "" };
                format!(
                    "{} = iomap_file_buffered_write file iter{keep}{whole}",
                    var(to)
                )
            }
            Op::IomapFiemap { to } => format!("{} = iomap_fiemap file iter", var(to)),
            Op::IterMapped => "iter.mapped = 0".into(),
            Op::FaultIn {
                to,
                write,
                window,
                flags,
            } => {
                let kind = if write { "writeable" } else { "readable" };
                let flags = options(&FaultInFlags::NAMES, |f| flags.has(f));
                format!(
                    "{} = fault_in_iov_iter_{kind} iter {}{flags}",
                    var(to),
                    operand(window)
                )
            }
            Op::FaultInReadable { to } => format!("{} = iov_iter_fault_in_readable iter", var(to)),
            Op::Pin { to, window, refs } => {
                let call = match refs {
                    true => "iov_iter_get_pages_alloc",
                    false => "pin_user_pages",
                };
                format!("{} = {call} iter {}", var(to), operand(window))
            }
            Op::Unpin => "unpin_user_pages iter".into(),
            Op::FilemapFault { to } => format!("{} = filemap_fault file", var(to)),
            Op::DirtyPage { to } => format!("{} = set_page_dirty_if_mapped file", var(to)),
            Op::UnlockPage => "unlock_page".into(),
            Op::MpageReadpage => "mpage_readpage file".into(),
            Op::Assign {
                to: Target::Var(to),
                a,
                op,
            } => format!("{} = {}", var(to), value(a, op)),
            Op::Assign {
                to: Target::IterCount,
                a,
                op,
            } => format!("iter.count = {}", value(a, op)),
            Op::Assign {
                to: Target::IterPos,
                a,
                op,
            } => format!("iter.pos = {}", value(a, op)),
            Op::SetFlag { flag, a, op } => {
                format!("{} = {}", self.flags[flag.0 as usize].name, value(a, op))
            }
            Op::Branch { a, cmp, b, then } => match (cmp, b) {
                (Cmp::Ne, Operand::Const(Val::ZERO)) => format!("if {} goto {then}", operand(a)),
                (Cmp::Eq, Operand::Const(Val::ZERO)) => {
                    format!("if not {} goto {then}", operand(a))
                }
                _ => format!(
                    "if {} {} {} goto {then}",
                    operand(a),
                    cmp_name(cmp),
                    operand(b)
                ),
            },
            Op::Goto(pc) => format!("goto {pc}"),
            Op::Return(a) => format!("return {}", operand(a)),
        }
    }

    fn operand_text(&self, operand: Operand, nested: bool) -> String {
        match operand {
            Operand::Const(val) => val.to_string(),
            Operand::Var(var) => self.var_name(var, nested).to_string(),
            Operand::Flag(flag) => self.flags[flag.0 as usize].name.clone(),
            Operand::IterCount => "iter.count".into(),
            Operand::IterPos => "iter.pos".into(),
            Operand::LockedByMe => "gfs2_glock_is_locked_by_me file".into(),
            Operand::Held => "held file".into(),
            Operand::HolderQueued => "gfs2_holder_queued file".into(),
            Operand::PagefaultDisabled => "pagefault_disabled".into(),
            Operand::IocbAppend => "iocb_append".into(),
        }
    }
}

/// The words of the options that are set, each with a blank before it.
fn options<T: Copy>(names: &[(&str, T)], is_set: impl Fn(T) -> bool) -> String {
    let set = names.iter().filter(|(_, flag)| is_set(*flag));
    set.map(|(name, _)| format!(" {name}")).collect()
}

fn cmp_name(cmp: Cmp) -> &'static str {
    match cmp {
        Cmp::Eq => "==",
        Cmp::Ne => "!=",
        Cmp::Lt => "<",
        Cmp::Le => "<=",
        Cmp::Gt => ">",
        Cmp::Ge => ">=",
    }
}

fn place_name(place: Place) -> &'static str {
    match place {
        Place::Task => "task",
        Place::JournalInfo => "journal_info",
        Place::File => "file",
        Place::Inode => "inode",
    }
}
