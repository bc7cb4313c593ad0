//! Words the synthetic practice is made of. People are combinations of common names; streets are in suburbs that exist.

pub(super) const FEMALE: &[&str] = &[
    "Charlotte", "Olivia", "Amelia", "Isla", "Mia", "Ava", "Grace", "Matilda", "Ruby", "Evie", "Sophie", "Zoe", "Chloe",
    "Emily", "Hannah", "Sarah", "Jessica", "Lauren", "Rebecca", "Michelle", "Karen", "Susan", "Margaret", "Patricia",
    "Dorothy", "Joan", "Beryl", "Helen", "Anne-Marie", "Priya", "Mei", "Thi", "Fatima", "Leilani", "Kirra", "Aroha",
];
pub(super) const MALE: &[&str] = &[
    "Oliver", "Noah", "Jack", "Henry", "William", "Leo", "Thomas", "Lachlan", "Archie", "Cooper", "Hunter", "Angus",
    "Joshua", "Daniel", "Matthew", "Luke", "Benjamin", "Andrew", "Mark", "Peter", "David", "Michael", "Robert", "John",
    "Kevin", "Bruce", "Ronald", "Neville", "Jean-Luc", "Arjun", "Wei", "Minh", "Ahmed", "Tane", "Jarrah", "Marco",
];
pub(super) const MIDDLE_FEMALE: &[&str] = &["", "", "Rose", "Louise", "Anne", "May", "Jane", "Lee"];
pub(super) const MIDDLE_MALE: &[&str] = &["", "", "James", "John", "Lee", "Kai", "Edward", "Thomas"];
pub(super) const SURNAMES: &[&str] = &[
    "Smith", "Jones", "Williams", "Brown", "Wilson", "Taylor", "Nguyen", "Johnson", "Martin", "White", "Anderson",
    "Walker", "Thompson", "Thomas", "Lee", "Harris", "Ryan", "Robinson", "Kelly", "King", "Davis", "Wright", "Evans",
    "Singh", "Patel", "Chen", "Wang", "Tran", "O'Brien", "O'Connor", "McDonald", "Campbell", "Murphy", "Edwards",
    "Clarke", "Mitchell", "Young", "Green", "Baker", "Hughes", "Kaur", "Papadopoulos", "Rossi", "Kowalski", "Müller",
    "Abdallah", "Fernando", "Tuilagi", "Yunupingu", "Van der Berg",
];
pub(super) const STREETS: &[&str] = &[
    "Albert", "Banksia", "Boundary", "Cedar", "Church", "Eucalyptus", "Ferny", "George", "Gympie", "High", "James",
    "Jacaranda", "King", "Lagoon", "Mary", "Musgrave", "Oxley", "Park", "Railway", "Station", "Victoria", "Wattle",
];
pub(super) const STREET_KINDS: &[&str] = &["St", "St", "St", "Rd", "Ave", "Ct", "Pde", "Cl", "Dr", "Tce"];
/// All in Queensland, which keeps one time the year round.
pub(super) const SUBURBS: &[(&str, &str)] = &[
    ("Ashgrove", "4060"), ("Bardon", "4065"), ("Bulimba", "4171"), ("Chermside", "4032"), ("Clayfield", "4011"),
    ("Everton Park", "4053"), ("Fortitude Valley", "4006"), ("Indooroopilly", "4068"), ("Kedron", "4031"),
    ("Mitchelton", "4053"), ("New Farm", "4005"), ("Nundah", "4012"), ("Paddington", "4064"), ("Stafford", "4053"),
    ("Toowong", "4066"), ("West End", "4101"), ("Wilston", "4051"), ("Wynnum", "4178"), ("Zillmere", "4034"),
];
/// Set aside by the Australian Communications and Media Authority for fiction.
pub(super) const MOBILES: &[&str] = &[
    "0491 570 006", "0491 570 156", "0491 570 157", "0491 570 158", "0491 570 159", "0491 570 110", "0491 570 313",
    "0491 570 737", "0491 571 266", "0491 571 491", "0491 571 804", "0491 572 549", "0491 572 665", "0491 572 983",
    "0491 573 770", "0491 573 087", "0491 574 118", "0491 574 632", "0491 575 254", "0491 575 789", "0491 576 398",
    "0491 576 801", "0491 577 426", "0491 577 644", "0491 578 957", "0491 578 148", "0491 578 888", "0491 579 212",
    "0491 579 760", "0491 579 455",
];
pub(super) const TITLES: &[&str] =
    &["", "Mr", "Mrs", "Ms", "Miss", "Master", "Dr", "Prof", "Sister", "Rev", "Mx"];
pub(super) const RELIGIONS: &[&str] = &["", "", "", "", "Anglican", "Catholic", "Buddhist", "Hindu", "Islam", "None"];
/// Numbered from 1; 0 is none.
pub(super) const FUNDS: &[&str] = &["Demo Health Fund", "Example Mutual", "Sample Friendly Society"];

/// Name, slot length in minutes.
pub(super) const TYPES: &[(&str, i64)] = &[
    ("Standard appt.", 15), ("Long appt.", 30), ("New patient", 30), ("Procedure", 30), ("Immunisation", 15),
    ("CARE PLAN", 45), ("Telephone consult", 15), ("Telehealth", 15), ("Dressing", 15), ("DO NOT BOOK", 15),
];
/// Numbered from 1 in this order: the demo's own numbers.
pub(super) const STATUSES: &[&str] =
    &["Booked", "Waiting", "With doctor", "At billing", "Invoiced", "Completed", "Paid"];

/// Id, index into TITLES, first name, surname, location, status, first letter of the role (doctor, nurse, reception).
pub(super) const USERS: &[(i64, usize, &str, &str, i64, i64, char)] = &[
    (1, 6, "Frederick", "Findacure", 1, 1, 'd'),
    (2, 6, "Ivor", "Cure", 1, 1, 'd'),
    (3, 6, "Penelope", "Banksia", 1, 1, 'd'),
    (4, 6, "Ravi", "Sundaram", 1, 1, 'd'),
    (5, 6, "Linh", "Pham", 2, 1, 'd'),
    (6, 6, "Siobhan", "O'Dea", 2, 3, 'd'),
    (7, 0, "Gavin", "Wattle", 1, 2, 'd'),
    (8, 8, "Kylie", "Grevillea", 1, 1, 'n'),
    (9, 3, "Tom", "Ironbark", 2, 1, 'n'),
    (10, 2, "Deborah", "Frontdesk", 1, 1, 'r'),
    (11, 1, "Sam", "Callback", 2, 1, 'r'),
    (2_000_000_001, 6, "Aisha", "Rahman", 2, 1, 'd'),
    (2_000_000_002, 6, "Hugo", "Locum", 1, 1, 'd'),
];

pub(super) const DISEASES: &[(i64, &str)] = &[
    (1, "Hepatitis B"), (2, "Diphtheria"), (3, "Tetanus"), (4, "Pertussis"), (5, "Poliomyelitis"), (6, "HIB"),
    (7, "Influenza"), (8, "Pneumococcal"), (9, "Measles"), (10, "Mumps"), (11, "Rubella"), (12, "Varicella-Zoster"),
    (13, "HPV"), (14, "Tuberculosis"), (15, "Meningococcus ACWY"), (16, "Meningococcus B"), (17, "Rotavirus"),
    (18, "Hepatitis A"), (19, "Typhoid"), (20, "Rabies"), (21, "Yellow fever"), (22, "Cholera"),
    (23, "Japanese encephalitis"), (24, "Q fever"), (25, "COVID-19"), (26, "RSV"), (27, "Herpes zoster"),
    (30, "Influenza H1N1"),
];
/// Made-up products: name, childhood, diseases.
pub(super) const VACCINES: &[(&str, i64, &[i64])] = &[
    ("Demo HepB Junior", 1, &[1]), ("Demo HepB Adult", 0, &[1]), ("Demo Six-in-one", 1, &[1, 2, 3, 4, 5, 6]),
    ("Demo Five-in-one", 1, &[2, 3, 4, 5, 6]), ("Demo DTPa-IPV", 1, &[2, 3, 4, 5]), ("Demo dTpa", 0, &[2, 3, 4]),
    ("Demo ADT", 0, &[2, 3]), ("Demo IPV", 1, &[5]), ("Demo HIB", 1, &[6]), ("Demo Flu Quad", 0, &[7, 30]),
    ("Demo Flu Quad Junior", 1, &[7, 30]), ("Demo Flu 65+", 0, &[7]), ("Demo Pneumo 13", 1, &[8]),
    ("Demo Pneumo 20", 0, &[8]), ("Demo Pneumo 23", 0, &[8]), ("Demo MMR", 1, &[9, 10, 11]),
    ("Demo MMRV", 1, &[9, 10, 11, 12]), ("Demo Varicella", 1, &[12]), ("Demo HPV9", 1, &[13]), ("Demo BCG", 0, &[14]),
    ("Demo MenACWY", 1, &[15]), ("Demo MenB", 1, &[16]), ("Demo Rotavirus", 1, &[17]), ("Demo HepA", 0, &[18]),
    ("Demo HepA+B", 0, &[1, 18]), ("Demo HepA+Typhoid", 0, &[18, 19]), ("Demo Typhoid", 0, &[19]),
    ("Demo Rabies", 0, &[20]), ("Demo Yellow fever", 0, &[21]), ("Demo Cholera", 0, &[22]), ("Demo JE", 0, &[23]),
    ("Demo Q fever", 0, &[24]), ("Demo COVID", 0, &[25]), ("Demo RSV", 0, &[26]), ("Demo Zoster", 0, &[27]),
    ("Demo DTPa", 1, &[2, 3, 4]),
];
