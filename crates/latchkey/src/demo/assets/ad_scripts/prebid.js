(function() {
{{common}}
  var units = [];
  var waiting = (window.pbjs && window.pbjs.que) || [];
  var pbjs = window.pbjs = {
    que: {push: function(f) { f(); }},
    addAdUnits: function(more) { units = units.concat(more); },
    requestBids: function(request) {
      units.forEach(function(unit) {
        fetch(adServer + '/bid?unit=' + encodeURIComponent(unit.code) + '&page=' + page,
          {mode: 'no-cors', credentials: 'include'}).catch(function() {});
      });
      document.readyState === 'loading'
        ? document.addEventListener('DOMContentLoaded', request.bidsBackHandler) : request.bidsBackHandler();
    },
    renderAll: function() {
      units.forEach(function(unit) {
        var div = document.getElementById(unit.code);
        var size = unit.mediaTypes.banner.sizes[0];
        if (div && !div.firstChild) { div.appendChild(frame('prebid-' + unit.code, size[0], size[1])); }
      });
    }
  };
  waiting.forEach(function(f) { f(); });
})();
