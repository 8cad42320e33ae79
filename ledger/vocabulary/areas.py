"""From which standards areas are taken. Pure."""

from ledger.vocabulary.codes import Area

AREA_STANDARDS = {
    Area.trade: "EuroVoc domain 20, Trade",
    Area.climate: "EuroVoc domain 52, Environment",
    Area.environment: "EuroVoc domain 52, Environment",
    Area.energy: "OECD DAC sector 230, Energy",
    Area.health: "OECD DAC sector 120, Health",
    Area.critical_minerals: "OECD DAC sector 322, Mineral resources and mining",
    Area.artificial_intelligence: "EuroVoc domain 32, Education and communications (information technology)",
    Area.quantum: "EuroVoc domain 36, Science",
    Area.undersea: "no standard has it: cables, vehicles and works below the sea",
    Area.education: "OECD DAC sector 110, Education",
    Area.science: "EuroVoc domain 36, Science",
    Area.migration: "OECD DAC purpose 15190, Migration and mobility",
    Area.employment: "EuroVoc domain 44, Employment and working conditions",
    Area.finance: "EuroVoc domain 24, Finance",
    Area.digital: "EuroVoc domain 32, Education and communications",
    Area.industry: "EuroVoc domain 68, Industry",
    Area.agriculture: "OECD DAC sector 311, Agriculture",
    Area.water: "OECD DAC sector 140, Water supply and sanitation",
    Area.transport: "OECD DAC sector 210, Transport and storage",
    Area.tourism: "OECD DAC sector 332, Tourism",
    Area.culture: "OECD DAC purpose 16061, Culture",
    Area.justice: "OECD DAC purpose 15130, Legal and judicial development",
    Area.human_rights: "OECD DAC purpose 15160, Human rights",
    Area.emergency_response: "OECD DAC sector 720, Emergency response",
}
"""Where the areas are taken from that are not of defence alone."""
