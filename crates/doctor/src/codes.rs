//! The codes, for support. Once given, a code keeps its meaning; `docs/troubleshooting.md` says more of each.

/// All codes, with what they stand for.
pub const ALL: &[(&str, &str)] = &[
    ("HL-0100", "the service runs"),
    ("HL-0101", "not installed as a service"),
    ("HL-0102", "installed, not running"),
    ("HL-0103", "starting or stopping"),
    ("HL-0104", "there, and does not answer"),
    ("HL-0105", "only an administrator may ask the service"),
    ("HL-0106", "the running service is of another release"),
    ("HL-0107", "another program answers in the service's place"),
    ("HL-0110", "up to date"),
    ("HL-0111", "another version runs than is installed"),
    ("HL-0112", "a newer version can be had"),
    ("HL-0113", "the last update was refused"),
    ("HL-0114", "no check for updates is on record"),
    ("HL-0115", "the installer of an update failed"),
    ("HL-0120", "it has its Halo ID"),
    ("HL-0121", "no Halo ID yet"),
    ("HL-0122", "some databases have no Halo ID yet"),
    ("HL-0123", "what is published can't be read"),
    ("HL-0130", "the programs are signed by their publisher"),
    ("HL-0131", "a program is not as its publisher made it"),
    ("HL-0200", "the configuration reads well"),
    ("HL-0201", "no configuration"),
    ("HL-0202", "the configuration is wrong"),
    ("HL-0203", "the configuration may not be read"),
    ("HL-0204", "no practice database in the configuration"),
    ("HL-0210", "one environment everywhere"),
    ("HL-0211", "two environments"),
    ("HL-0220", "the identity is there, for the service alone"),
    ("HL-0221", "the identity is gone"),
    ("HL-0222", "the identity may be read by others"),
    ("HL-0223", "not started here yet"),
    ("HL-0224", "the data folder may not be looked into"),
    ("HL-0225", "the sealing key is gone"),
    ("HL-0226", "the sealing key is another one"),
    ("HL-0227", "something that is obeyed is not an administrator's"),
    ("HL-0240", "this server has stopped serving"),
    ("HL-0241", "this server was moved out"),
    ("HL-0242", "a recovery kit was made"),
    ("HL-0243", "there is no recovery kit yet"),
    ("HL-0244", "changed since the recovery kit was made"),
    ("HL-0245", "another Halo ID is about to replace this one"),
    ("HL-0246", "a restore or a packing was cut off"),
    ("HL-0300", "the requirements are met"),
    ("HL-0301", "not a 64-bit system"),
    ("HL-0302", "the system is not supported"),
    ("HL-0303", "a system for workstations"),
    ("HL-0304", "too little memory"),
    ("HL-0305", "too little free disk"),
    ("HL-0306", "the system waits for a restart"),
    ("HL-0307", "the time zone is not known"),
    ("HL-0308", "free disk could not be read"),
    ("HL-0400", "Halo Cloud answers and lets Halo Links in"),
    ("HL-0401", "the name could not be resolved"),
    ("HL-0402", "no TCP connection"),
    ("HL-0403", "the proxy wants a user and password"),
    ("HL-0404", "the proxy does not let it through"),
    ("HL-0405", "the certificate is not trusted"),
    ("HL-0406", "the certificate is not valid now"),
    ("HL-0407", "the certificate is another host's"),
    ("HL-0408", "TLS does not come about"),
    ("HL-0409", "somebody else answers"),
    ("HL-0410", "Halo Cloud refuses"),
    ("HL-0411", "Halo Cloud breaks off"),
    ("HL-0412", "no answer in time"),
    ("HL-0413", "no trusted certificates on this server"),
    ("HL-0414", "[cloud] can't be used"),
    ("HL-0415", "a box on the way opens TLS"),
    ("HL-0416", "TLS 1.2 on the way"),
    ("HL-0417", "the cloud is another environment's"),
    ("HL-0418", "the way was not tried"),
    ("HL-0420", "the clock is right"),
    ("HL-0421", "the clock is wrong"),
    ("HL-0422", "the clock could not be compared"),
    ("HL-0430", "the service is connected"),
    ("HL-0431", "the service is not connected"),
    ("HL-0432", "refused: this server or another is a copy"),
    ("HL-0433", "refused by Halo Cloud"),
    ("HL-0434", "not connected: the service does not run"),
    ("HL-0435", "refused: the cloud is another environment's"),
    ("HL-0500", "the database answers"),
    ("HL-0501", "the database is switched off"),
    ("HL-0502", "the database can't be reached"),
    ("HL-0503", "the database refuses Link's own login"),
    ("HL-0504", "the database was not asked"),
    ("HL-0505", "the database did not answer in time"),
    ("HL-0506", "the database is another practice's"),
    ("HL-0510", "a login works"),
    ("HL-0511", "a login is refused"),
    ("HL-0512", "a login could not be tried"),
    ("HL-0513", "a login can't be opened"),
    ("HL-0514", "a login was not tried in time"),
    ("HL-0520", "reached the whole way round"),
    ("HL-0521", "not reached the whole way round"),
    ("HL-0522", "the whole way could not be tried"),
    ("HL-0523", "every lane of work answers"),
    ("HL-0524", "a lane of work does not answer"),
    ("HL-0525", "statements do not end"),
    ("HL-0531", "nobody is paired"),
    ("HL-0532", "an integrator is switched off"),
    ("HL-0533", "a consent has expired or was revoked"),
    ("HL-0534", "everything is stopped"),
    ("HL-0535", "nobody vouches for integrators"),
    ("HL-0536", "a vendor's approval is over"),
    ("HL-0537", "an integrator asks to be let in"),
    ("HL-0540", "the databases were not tried"),
    ("HL-0600", "the virus scanner leaves the folders alone"),
    ("HL-0601", "the virus scanner looks into the folders"),
    ("HL-0602", "what the virus scanner does could not be read"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Words that look like a code.
    fn codes(text: &str) -> BTreeSet<String> {
        let starts = text.match_indices("HL-0").map(|(at, _)| &text[at..]);
        let code = |rest: &str| {
            rest.get(..7).filter(|c| c[3..].bytes().all(|b| b.is_ascii_digit())).map(str::to_owned)
        };
        starts.filter_map(code).collect()
    }

    fn listed() -> BTreeSet<String> {
        ALL.iter().map(|(code, _)| (*code).to_owned()).collect()
    }

    /// Support reads the page, people read the finding: they must speak of the same thing.
    #[test]
    fn every_code_has_its_line_in_the_docs_with_the_same_words_and_the_docs_have_no_other() {
        let page = include_str!("../../../docs/troubleshooting.md");
        assert_eq!(codes(page), listed());
        for (code, title) in ALL {
            assert!(page.contains(&format!("| `{code}` | {title} |")), "{code}: {title}");
        }
    }

    #[test]
    fn the_checks_use_these_codes_and_all_of_them() {
        let sources = [
            include_str!("checks/service.rs"),
            include_str!("checks/config.rs"),
            include_str!("checks/requirements.rs"),
            include_str!("checks/network.rs"),
            include_str!("checks/sites.rs"),
            include_str!("checks/lanes.rs"),
            include_str!("checks/protection.rs"),
            include_str!("checks/recovery.rs"),
            include_str!("look.rs"),
        ];
        assert_eq!(codes(&sources.concat()), listed());
        assert_eq!(ALL.len(), listed().len(), "no code twice");
    }
}
