// Starts GraphiQL against the endpoint named in the page. Subscriptions go over graphql-transport-ws and carry the
// Authorization header of GraphiQL's own headers editor.
(function () {
  'use strict';
  var place = document.getElementById('graphiql');
  var url = new URL(place.dataset.endpoint, location.href);
  var socketUrl = new URL(url);
  socketUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  var lastHeaders = {};

  function authorization() {
    var name = Object.keys(lastHeaders).find(function (key) {
      return key.toLowerCase() === 'authorization';
    });
    return name ? { authorization: lastHeaders[name] } : {};
  }

  var fetcher = GraphiQL.createFetcher({
    url: url.href,
    wsClient: graphqlWs.createClient({ url: socketUrl.href, lazy: true, connectionParams: authorization }),
  });

  ReactDOM.createRoot(place).render(
    React.createElement(GraphiQL, {
      fetcher: function (parameters, options) {
        lastHeaders = (options && options.headers) || {};
        return fetcher(parameters, options);
      },
      defaultEditorToolsVisibility: true,
      isHeadersEditorEnabled: true,
      shouldPersistHeaders: false,
      defaultQuery: '{\n  __typename\n}\n',
    })
  );
})();
