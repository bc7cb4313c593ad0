//! The compiler stands whatever comes.

use practice::tsql::rewrite;
use proptest::prelude::*;

const SEEDS: &[&str] = &[
    "SELECT TOP 5 [Surname], DATEDIFF(year, DOB, GETDATE()) FROM [BPSPATIENTS].[dbo].[BPS_Patients] WITH (NOLOCK) WHERE Surname LIKE N'S%' AND InternalID = @p1 ORDER BY 1 DESC",
    "WITH c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3) SELECT n, COUNT(*) FROM c GROUP BY n HAVING COUNT(*) > 0 OPTION (MAXRECURSION 0)",
    "DECLARE @id int; EXEC @id = BPSPATIENTS.dbo.BP_AddAppointment @aptdate=@p3, @apttime=29700, @aptlen=900, @practitionerid=1, @patientid=2; SELECT @id AS aptid",
    "UPDATE PATIENTS SET SURNAME = CASE WHEN SEXCODE = 1 THEN 'a' ELSE @p2 END WHERE INTERNALID IN (SELECT INTERNALID FROM APPOINTMENTS)",
    "INSERT INTO Numbers (N) VALUES (1), (2); DELETE FROM Numbers WHERE N > 5; WAITFOR DELAY '0:0:1' SELECT CONVERT(varchar(10), @p3, 103)",
];

#[test]
fn chains_and_nests_of_any_length_are_refused_not_followed_to_the_end_of_the_stack() {
    for text in [
        format!("SELECT 1{}", "+1".repeat(20_000)),
        format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT {}1", "-".repeat(5_001).replace("--", "- -")),
        format!("SELECT {}1 WHERE 1=1", "NOT ".repeat(5_000)),
        format!("SELECT 1 WHERE {}1=1", "NOT ".repeat(900)),
        format!("SELECT 1 WHERE 1=1{}", " AND 1=1".repeat(400)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(900)),
        format!("SELECT {}1", "CASE WHEN 1=1 THEN ".repeat(2_000)),
        "(".repeat(40_000),
    ] {
        assert!(rewrite(&text).is_err());
    }
    assert!(rewrite(&format!("SELECT 1 WHERE 1 IN ({}1)", "1,".repeat(10_000))).is_ok());
}

#[test]
fn the_seeds_compile() {
    for seed in SEEDS {
        rewrite(seed).unwrap_or_else(|e| panic!("{seed}: {} {}", e.number, e.message.reveal()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = rewrite(&text);
    }

    #[test]
    fn no_mutation_makes_it_panic(seed in 0..SEEDS.len(), cuts in proptest::collection::vec((0usize..300, 0usize..300, "[ -~]{0,6}|SELECT|FROM|\\(|\\)|'|NULL|CAST\\(|é"), 1..4)) {
        let mut chars: Vec<char> = SEEDS[seed].chars().collect();
        for (at, length, put) in cuts {
            let at = at % (chars.len() + 1);
            let to = (at + length % 12).min(chars.len());
            chars.splice(at..to, put.chars());
        }
        let _ = rewrite(&chars.into_iter().collect::<String>());
    }
}
