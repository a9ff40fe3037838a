fetch("https://www.harbour.example/latest.json");
