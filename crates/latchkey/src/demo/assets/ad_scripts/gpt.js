(function() {
{{common}}
  var sizes = {};
  var pubads = {
    enableSingleRequest: function() {}, setTargeting: function() { return pubads; },
    collapseEmptyDivs: function() {}, addEventListener: function() {}, refresh: function() {}
  };
  function best(id, room) {
    var fits = (sizes[id] || [[300, 250]]).filter(function(size) { return size[0] <= room; });
    return fits[0] || [Math.min(300, room), 250];
  }
  var waiting = (window.googletag && window.googletag.cmd) || [];
  window.googletag = {
    apiReady: true,
    pubads: function() { return pubads; },
    enableServices: function() {},
    defineSlot: function(unit, wanted, id) {
      sizes[id] = wanted;
      var slot = {addService: function() { return slot; }, setTargeting: function() { return slot; }};
      return slot;
    },
    display: function(id) {
      var div = document.getElementById(id);
      if (!div || div.querySelector('iframe')) { return; }
      var size = best(id, div.clientWidth || 728);
      div.appendChild(frame('gpt-' + id, size[0], size[1]));
    },
    cmd: {push: function(f) { f(); }}
  };
  waiting.forEach(function(f) { f(); });
})();
